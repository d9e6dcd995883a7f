"""Style, types and migrations, checked by the tools that know them."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command

from service.store import migrate

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent


def _clean(*words: str) -> None:
    done = subprocess.run([*words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_code_is_formatted() -> None:
    """ruff format finds nothing to change."""
    _clean(str(BIN / "ruff"), "format", "--check", "--quiet", ".")


def test_the_code_is_clean() -> None:
    """ruff finds no fault by the rules in pyproject.toml."""
    _clean(str(BIN / "ruff"), "check", "--quiet", ".")


@pytest.mark.timeout(300)
def test_the_types_fit() -> None:
    """mypy --strict finds no fault."""
    _clean(str(BIN / "mypy"))


def test_every_migration_can_run_beside_the_previous_release() -> None:
    """squawk finds nothing that locks a table in use; the first migration makes its tables and is let through."""
    files = sorted((ROOT / "service/store/migrations").glob("*.sql"))
    assert files[0].name == "0001_first.sql"
    for later in files[1:]:
        whole = "CONCURRENTLY" not in later.read_text(encoding="utf-8")
        _clean(str(BIN / "squawk"), *(["--assume-in-transaction"] if whole else []), str(later))


def test_there_is_one_newest_migration() -> None:
    """The head that a start compares with is the revisions' own."""
    assert migrate.heads() == [migrate.HEAD]
    assert command is not None
