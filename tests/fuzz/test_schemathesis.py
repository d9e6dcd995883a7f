"""The running service under requests made from its own OpenAPI document."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.run import fuzz

SECONDS = 75  # for random requests and chains of them; what each operation must get at least comes on top


@pytest.mark.timeout(400)
def test_every_default_check_of_schemathesis_passes(
    make_world: Any, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Examples, every edge of every schema, random requests and chains, with real credentials: no complaint, no 5xx."""
    where = folder / f"fuzz-{os.getpid()}"
    where.mkdir()

    outcome = fuzz(make_world(), where, "--seed", "20261123", "--max-time", str(SECONDS))

    with capsys.disabled():
        print(f"\n  fuzzing: {outcome}")
    assert outcome.passed, outcome.complaints
    assert outcome.failed == 0
    assert outcome.requests > 500
