"""A million random texts, and speed and size on this machine. `make test-classifier`."""

from time import perf_counter

import pytest

from classifier import footprint, load
from tests.classifier.hostile import MILLION, faults
from tests.classifier.test_robustness import AWKWARD, KIB_64, seconds

pytestmark = pytest.mark.timeout(3600)


def test_a_million_texts_have_one_normal_form_and_scores() -> None:
    """None raises, each normal form is its own, each score is a probability or null."""
    model = load()
    start = perf_counter()
    assert faults(model, MILLION) == []
    print(f"\n{MILLION:,} texts in {perf_counter() - start:.0f} s")


def test_time_grows_with_length_alone() -> None:
    """Sixteen times the text takes at most some twenty times as long, whatever it is made of."""
    model = load()
    for unit in AWKWARD:
        short, long = (min(seconds(model, unit, size) for _ in range(5)) for size in (KIB_64, 16 * KIB_64))
        assert long < 24 * short + 0.05, unit


def test_loading_is_quick() -> None:
    """All files, checked: a tenth of a second."""
    found = {str(row[0]): str(row[1]) for row in footprint.measure().rows}
    assert float(found["load the files"].split()[0]) <= 0.1
