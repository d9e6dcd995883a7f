"""Fit the heads: tf-idf vectors, one logistic regression per label, and its calibration."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from classifier import features
from classifier.normalise import normalise_all

LEAST_TEXTS = 4
"""A slot seen in fewer training texts is pruned. Privacy wants this too: a rare string leaves no trace."""

LARGEST = 127
STRENGTH = 4.0
_TOLERANCE = 1e-5
_ROUNDS = 400
_FEW = features.SLOTS // 8
"""When fewer slots are in use the others are left out of the fit: most of the time of a small one would go to them."""

BASE_RATES = {
    "spam": 0.15,
    "toxicity": 0.096,
    "severe_toxicity": 0.010,
    "obscene": 0.053,
    "threat": 0.003,
    "insult": 0.049,
    "identity_attack": 0.009,
}
"""Share of positives that calibration assumes; those of toxicity as on Wikipedia talk pages."""


@dataclass(frozen=True, slots=True)
class Head:
    """A fitted logistic regression: coefficients (float64, one per slot) and intercept."""

    coefficients: NDArray[np.float64]
    intercept: float


@dataclass(frozen=True, slots=True)
class Platt:
    """Calibrated log-odds are `slope` * raw log-odds + `offset` (Platt 1999)."""

    slope: float
    offset: float

    def apply(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        return raw * self.slope + self.offset


def counts(texts: Sequence[str]) -> sparse.csr_matrix:
    """The features of texts: float32 ones, texts x slots."""
    normalised = normalise_all(texts)
    batches = [features.extract(chunk) for chunk in features.chunks(normalised)] or [features.extract([])]
    slots = np.concatenate([batch.slots for batch in batches])
    sizes = np.concatenate([np.diff(batch.bounds) for batch in batches])
    bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    ones = np.ones(len(slots), dtype=np.float32)
    return sparse.csr_matrix((ones, slots, bounds), shape=(len(texts), features.SLOTS))


def squared_idf(seen: sparse.csr_matrix, least_texts: int = LEAST_TEXTS) -> NDArray[np.int8]:
    """Squared inverse document frequency per slot, in steps so that the rarest kept slot has `LARGEST`.

    0 for pruned slots, at least 1 for others. Training uses these rounded values too, so that it and
    scoring agree on the length of a vector.
    """
    frequency = np.bincount(seen.indices, minlength=features.SLOTS)
    idf = 1 + np.log((1 + seen.shape[0]) / (1 + frequency))
    top = (1 + np.log((1 + seen.shape[0]) / (1 + least_texts))) ** 2
    steps = np.clip(np.rint(idf**2 / top * LARGEST), 1, LARGEST)
    return np.where(frequency >= least_texts, steps, 0).astype(np.int8)


def vectors(seen: sparse.csr_matrix, idf2: NDArray[np.int8]) -> sparse.csr_matrix:
    """tf-idf vectors of length one (float32); pruned slots are gone."""
    weighted = (seen @ sparse.diags(np.sqrt(idf2.astype(np.float32)))).tocsr()
    weighted.eliminate_zeros()
    length = np.sqrt(np.asarray(seen @ idf2.astype(np.float32)))
    length[length == 0] = 1
    scaled = (sparse.diags((1 / length).astype(np.float32)) @ weighted).tocsr()
    scaled.sort_indices()
    return sparse.csr_matrix(
        (scaled.data, scaled.indices.astype(np.int32), scaled.indptr.astype(np.int32)), shape=scaled.shape
    )


def fit(
    points: sparse.csr_matrix, target: NDArray[np.float32], weight: NDArray[np.float32], strength: float = STRENGTH
) -> Head:
    """Fit one head on the rows whose target is not NaN, on one thread, so that the same data give the same bytes.

    A target between 0 and 1 counts as so much of a positive, and the rest of its weight as a negative. Without both
    kinds of rows there is nothing to tell apart: the head gives every text the same log-odds.
    """
    points, truth, weight = _sharp(points, target, weight)
    kinds = np.bincount(truth, minlength=2)
    if not kinds.all():
        return Head(np.zeros(points.shape[1]), float(np.log((kinds[1] + 0.5) / (kinds[0] + 0.5))))
    used = np.unique(points.indices)
    few = len(used) < _FEW
    regression = LogisticRegression(C=strength, tol=_TOLERANCE, max_iter=_ROUNDS)
    with threadpool_limits(limits=1):
        regression.fit(points[:, used] if few else points, truth, sample_weight=weight)
    coefficients = np.zeros(points.shape[1])
    coefficients[used if few else slice(None)] = regression.coef_[0]
    return Head(coefficients, float(regression.intercept_[0]))


def _sharp(
    points: sparse.csr_matrix, target: NDArray[np.float32], weight: NDArray[np.float32]
) -> tuple[sparse.csr_matrix, NDArray[np.int8], NDArray[np.float32]]:
    """The rows with a target, those between 0 and 1 twice: as a positive, and at the end as a negative."""
    known = ~np.isnan(target)
    points, target, weight = points[known], target[known], weight[known]
    soft = (target > 0) & (target < 1)
    if not soft.any():
        return points, target.astype(np.int8), weight
    share = target[soft]
    twice = np.concatenate([weight, weight[soft] * (1 - share)])
    twice[: len(weight)][soft] *= share
    kinds = np.concatenate([(target > 0).astype(np.int8), np.zeros(len(share), dtype=np.int8)])
    return sparse.vstack([points, points[soft]], format="csr"), kinds, twice


def decide(points: sparse.csr_matrix, head: Head) -> NDArray[np.float64]:
    """Raw log-odds, one per row."""
    return np.asarray(points @ head.coefficients) + head.intercept


def calibrate(
    raw: NDArray[np.float64], target: NDArray[np.float32], weight: NDArray[np.float32], base_rate: float
) -> Platt:
    """Fit Platt's line to raw log-odds of held-out rows, reweighted so that positives are `base_rate`.

    No row counts as quite certain (Platt 1999): of n positives each is one but for a part in n + 2, negatives
    likewise, so that rows which are told apart without error do not make the line as steep as numbers go. As much is
    taken from one kind as from the other, the lesser of both, so that the base rate stays. Without both kinds of rows,
    or without rows, nothing can be fitted, and the raw log-odds stand.
    """
    known = ~np.isnan(target) & (weight > 0)
    raw, truth, weight = raw[known], target[known] == 1, weight[known].astype(np.float64)
    if truth.all() or not truth.any():
        return Platt(1.0, 0.0)
    weight[truth] *= base_rate / weight[truth].sum()
    weight[~truth] *= (1 - base_rate) / weight[~truth].sum()
    doubt = min(base_rate / (truth.sum() + 2), (1 - base_rate) / ((~truth).sum() + 2))
    doubted = weight * np.where(truth, doubt / base_rate, doubt / (1 - base_rate))
    line = LogisticRegression(C=1e6, tol=1e-9, max_iter=1000)
    with threadpool_limits(limits=1):
        line.fit(
            np.concatenate([raw, raw])[:, None],
            np.concatenate([truth, ~truth]),
            sample_weight=np.concatenate([weight - doubted, doubted]) * len(raw),
        )
    return Platt(float(line.coef_[0, 0]), float(line.intercept_[0]))
