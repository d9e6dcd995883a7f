"""What each head learns from each row: a target and a weight.

A missing label is not a 0. Where nobody looked, a row is left out of a head, or used as a weak
negative when another label makes a positive unlikely: a row that is not toxic is no threat either, a
comment judged only for spam is rarely toxic, and a comment judged only for toxicity is rarely spam.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from classifier.augment import COUNTER_SPEECH, DISGUISED, NEUTRAL_IDENTITY
from classifier.data import Row
from classifier.scores import LABELS

FAMILY_WEIGHTS = {
    "civil": 0.35,
    "davidson": 0.25,
    "spamassassin": 0.3,
    "stackoverflow_ham": 0.5,
    "stormfront": 0.3,
    DISGUISED: 0.4,
    COUNTER_SPEECH: 1.0,
    NEUTRAL_IDENTITY: 1.0,
}
"""Families that count for less, for their label noise, their sampling or their distance from comments."""

TRUSTED_FAMILIES = {"blog_comments", "jigsaw_wiki", "stackoverflow_ham"}
"""Families whose comments were gathered as they came, so that a site's may resemble them. Calibration of the
toxicity labels listens to them; sets gathered by key word or to fool a model count `DOUBTED` times as much there."""

DOUBTED = 0.1
IMPLIED = 0.8
ACROSS = 0.5
_SPAM, _TOXICITY = LABELS.index("spam"), LABELS.index("toxicity")


def matrix(rows: Sequence[Row]) -> NDArray[np.float32]:
    """Labels as float32, rows x labels; NaN where nobody looked."""
    cells = [[np.nan if cell is None else cell for cell in row.labels] for row in rows]
    return np.array(cells, dtype=np.float32).reshape(len(rows), len(LABELS))


def family_weights(rows: Sequence[Row]) -> NDArray[np.float32]:
    return np.array([FAMILY_WEIGHTS.get(row.family, 1.0) for row in rows], dtype=np.float32)


def calibration_weights(rows: Sequence[Row], column: int) -> NDArray[np.float32]:
    """What each row counts for when the head of `column` is calibrated."""
    weights = family_weights(rows)
    if column == _SPAM:
        return weights
    trusted = np.array([row.family in TRUSTED_FAMILIES for row in rows], dtype=bool)
    return np.where(trusted, weights, weights * np.float32(DOUBTED)).astype(np.float32)


def for_head(
    labels: NDArray[np.float32], base: NDArray[np.float32], column: int, across: float = ACROSS
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Targets (1, 0, NaN for "leave out") and weights for one head; `base` are the rows' own weights.

    With `across` 0 only rows somebody judged for the label, or that are not toxic at all, count.
    """
    target, weight = labels[:, column].copy(), base.copy()
    toxicity, spam = labels[:, _TOXICITY], labels[:, _SPAM]
    if column not in (_SPAM, _TOXICITY):
        _fill(target, weight, np.isnan(target) & (toxicity == 0), IMPLIED)
    if across:
        other = toxicity if column == _SPAM else np.where(np.isnan(toxicity), spam, np.nan)
        _fill(target, weight, np.isnan(target) & ~np.isnan(other), across)
    return target, weight


def _fill(target: NDArray[np.float32], weight: NDArray[np.float32], where: NDArray[np.bool_], factor: float) -> None:
    target[where] = 0
    weight[where] *= factor
