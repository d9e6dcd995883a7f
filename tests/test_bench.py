"""The benchmark runs whole, and its report holds every figure. What it measures is for `make bench`."""

import pytest

from tools.bench import report
from tools.bench.__main__ import ROUNDS, run
from tools.bench.scale import SHORT

NUMBERS = ["1", "2a", "2b", "3a", "3b", "3c", "4a", "4b", "4c", "4d", "4e", "4f", "5a", "5b"]


@pytest.mark.timeout(240)
def test_every_figure_is_measured_and_reported() -> None:
    """Tiny sizes of everything: each figure has its row, and no ratio is absurd."""
    figures = run(tuple(ROUNDS), SHORT, lambda _: None)
    assert [figure.number for figure in figures] == NUMBERS
    page = report.page(figures, "make bench", SHORT.turns, 8)
    assert [line.split(" |")[0] for line in page.splitlines() if line.startswith("| ") and line[2:3].isdigit()] == [
        f"| {number}" for number in NUMBERS * 2
    ]
    assert report.table(figures).row_count == len(NUMBERS)
    by = {figure.number: figure.value for figure in figures}
    assert by["1"] > 0.05
    assert by["2b"] > 2
    assert by["5b"] < 450
