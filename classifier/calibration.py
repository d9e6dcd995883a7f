"""How far probabilities can be taken at their word.

The expected calibration error is the mean, over bins of equal weight, of the distance between the probability given
and the share found true (Naeini et al. 2015, with equal-mass bins as in Nixon et al. 2019). Even a perfect model has
some, since shares are counted on finitely many rows: `perfect_error` says how much.
"""

from collections.abc import Sequence
from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BINS = 15
_DRAWS = 500
_SEED = 11

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Numbers = NDArray[np.int64]


class Bin(NamedTuple):
    """One bin: mean probability given, share found true, and its weight (all bins together 1)."""

    given: float
    true: float
    weight: float


def natural_weights(truth: NDArray[np.bool_], rate: float, base: Vector | None = None) -> Vector:
    """Weights, together 1, under which a share `rate` of the rows is positive. `base`: what rows count for within."""
    weights = np.ones(len(truth)) if base is None else base.astype(np.float64)
    positive, negative = weights[truth].sum(), weights[~truth].sum()
    return np.asarray(np.where(truth, weights * rate / positive, weights * (1 - rate) / negative))


def shifted(odds: Vector, assumed: float, rate: float) -> Vector:
    """Log-odds for a site where a share `rate` is positive, from ones for `assumed` (Saerens et al. 2002)."""
    return odds + log(rate / (1 - rate)) - log(assumed / (1 - assumed))


def bins(chance: Vector, truth: NDArray[np.bool_], weights: Vector, count: int = BINS) -> list[Bin]:
    """Bins of equal weight in order of probability; rows are taken whole, and empty bins are left out."""
    order = np.argsort(chance, kind="stable")
    return _bins(chance[order], truth[order].astype(np.float64), weights[order] / weights.sum(), count)


def error(found: Sequence[Bin]) -> float:
    """The expected calibration error of `bins`."""
    return sum(one.weight * abs(one.given - one.true) for one in found)


def perfect_error(chance: Vector, rate: float, truth: NDArray[np.bool_], percentile: float = 95) -> float:
    """The percentile of the error that a model would have whose probabilities are true, on rows weighted alike.

    Labels are drawn as they would have been before the rows were reweighted to `rate`, from the probabilities and
    the share of positives in `truth`, and reweighted again.
    """
    share = float(truth.mean())
    odds = shifted(np.log(chance) - np.log1p(-chance), rate, share)
    before = np.sort(1 / (1 + np.exp(-odds)))
    ordered = np.sort(chance)
    random = np.random.default_rng(_SEED)
    errors = []
    for _ in range(_DRAWS):
        drawn = random.random(len(before)) < before
        if drawn.all() or not drawn.any():
            continue
        errors.append(error(_bins(ordered, drawn.astype(np.float64), natural_weights(drawn, rate), BINS)))
    return float(np.percentile(errors, percentile))


def _bins(chance: Vector, truth: Vector, weights: Vector, count: int) -> list[Bin]:
    number = np.minimum((np.cumsum(weights) - weights / 2) * count, count - 1).astype(np.int64)
    weight = np.bincount(number, weights, count)
    given, true = np.bincount(number, weights * chance, count), np.bincount(number, weights * truth, count)
    return [Bin(g / w, t / w, w) for g, t, w in zip(given, true, weight, strict=True) if w > 0]
