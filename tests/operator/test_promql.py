"""The evaluator answers as Prometheus does; what it does not know it refuses. `make test-alerts` compares the two."""

import math
from typing import Any

import pytest

from tests.operator.promql import Samples, Unsupported, evaluate


def _samples(now: float, **series: Any) -> Samples:
    """Series by name: a list of (seconds, value), or of such lists by the label `a`."""
    made = {}
    for name, given in series.items():
        for label, points in given.items() if isinstance(given, dict) else [(None, given)]:
            key = {("__name__", name)} | ({("a", label)} if label is not None else set())
            made[frozenset(key)] = points
    return Samples(made, now, frozenset(key for key, points in made.items() if points[-1][0] == now))


def _plain(expression: str, samples: Samples) -> Any:
    found = evaluate(expression, samples)
    return found if isinstance(found, float) else sorted(found.values())


TWO = _samples(10, up=[(0, 1), (10, 0)], n={"x": [(0, 1), (10, 5)], "y": [(0, 1), (10, 7)], "gone": [(0, 9)]})


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("up == 0", [0]),
        ("up > 0", []),
        ("n", [5, 7]),  # the third is stale
        ('n{a="x"}', [5]),
        ("n > 5", [7]),
        ("sum(n)", [12]),
        ("max by (a) (n) > 6", [7]),
        ("n - n", [0, 0]),
        ("sum(n) / sum(up)", [math.inf]),
        ("n > 5 or n > 0", [5, 7]),
        ("n and n > 5", [7]),
        ("n unless n > 5", [5]),
        ("absent(nothing)", [1]),
        ("absent(n)", []),
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
    ],
)
def test_selecting_comparing_and_matching(expression: str, values: Any) -> None:
    """By the last scrape, labels matched without the name."""
    assert _plain(expression, TWO) == values


def test_rates_are_drawn_out_to_the_window() -> None:
    """A counter that stood at 0 is not drawn out before its first sample; one that began anew counts on."""
    assert _plain("increase(c[1m])", _samples(10, c=[(0, 0), (10, 4)])) == [4]
    assert _plain("delta(c[1m])", _samples(10, c=[(0, 0), (10, 4)])) == [6]
    assert _plain("rate(c[1m])", _samples(10, c=[(0, 0), (10, 30)])) == [0.5]
    assert _plain("increase(c[1m])", _samples(20, c=[(0, 0), (10, 3), (20, 1)])) == [4]
    assert _plain("increase(c[1m])", _samples(10, c=[(10, 4)])) == []
    assert _plain("increase(c[5s])", _samples(10, c=[(0, 1), (10, 4)])) == []


def test_quantiles_are_linear_inside_a_bucket() -> None:
    """Half of what lies between two bounds lies below their middle; without observations there is no number."""
    buckets = {bound: [(5, count)] for bound, count in {"1": 10, "2": 20, "+Inf": 20}.items()}
    samples = _samples(5, b=buckets)
    renamed = {frozenset((("le" if n == "a" else n), v) for n, v in key): p for key, p in samples.series.items()}
    found = Samples(renamed, 5, frozenset(renamed))
    assert _plain("histogram_quantile(0.75, b)", found) == [1.5]
    assert _plain("histogram_quantile(0.5, sum by (le) (b))", found) == [1.0]
    empty = Samples({key: [(5, 0)] for key in renamed}, 5, frozenset(renamed))
    assert math.isnan(_plain("histogram_quantile(0.5, b)", empty)[0])


@pytest.mark.parametrize(
    "expression",
    ["irate(c[1m])", "up > bool 0", 'up{a=~"x"}', "up offset 5m", "count(up)", "up > up", "up ==", "1 and 2"],
)
def test_what_is_not_known_is_refused(expression: str) -> None:
    """Never read as something else."""
    with pytest.raises((Unsupported, ValueError)):
        evaluate(expression, TWO)
