"""What each head learns from each row: a target and a weight.

A missing label is not a 0. Where nobody looked, a row is left out of a head, or used as a weak
negative when another label makes a positive unlikely: a row that is not toxic is no threat either, a
comment judged only for spam is rarely toxic, and a comment judged only for toxicity is rarely spam.
Whatever is a threat, an insult or an attack is toxic too.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from classifier.augment import COUNTER_SPEECH, DISGUISED, DISGUISED_SPAM, NEUTRAL_IDENTITY
from classifier.data import Row
from classifier.scores import LABELS

FAMILY_WEIGHTS = {
    "civil": 0.35,
    "davidson": 0.25,
    "spamassassin": 0.3,
    "stackoverflow_ham": 0.5,
    "stormfront": 0.3,
    DISGUISED: 0.4,
    DISGUISED_SPAM: 0.8,
    COUNTER_SPEECH: 1.0,
    NEUTRAL_IDENTITY: 1.0,
}
"""Families that count for less, for their label noise, their sampling or their distance from comments."""

TRUSTED_FAMILIES = {"blog_comments", "jigsaw_wiki", "stackoverflow_ham"}
"""Families whose comments were gathered as they came, so that a site's may resemble them. Calibration of the
toxicity listens to them alone; for its rarer kinds, sets gathered by key word or to fool a model count `DOUBTED`."""

DOUBTED = 0.1
IMPLIED = 0.8
ACROSS = 0.5
_SPAM, _TOXICITY = LABELS.index("spam"), LABELS.index("toxicity")


Column = NDArray[np.float32]


def matrix(rows: Sequence[Row]) -> NDArray[np.float32]:
    """Labels as float32, rows x labels; NaN where nobody looked."""
    cells = [[np.nan if cell is None else cell for cell in row.labels] for row in rows]
    return np.array(cells, dtype=np.float32).reshape(len(rows), len(LABELS))


def family_weights(rows: Sequence[Row]) -> NDArray[np.float32]:
    return np.array([FAMILY_WEIGHTS.get(row.family, 1.0) for row in rows], dtype=np.float32)


def calibration_weights(rows: Sequence[Row], column: int) -> NDArray[np.float32]:
    """What each row counts for when the head of `column` is calibrated.

    Spam: each the same. Toxicity: those gathered as they came, where there are such. The rarer kinds of toxicity
    need the others too.
    """
    ones = np.ones(len(rows), dtype=np.float32)
    trusted = np.array([row.family in TRUSTED_FAMILIES for row in rows], dtype=bool)
    if column == _SPAM or not trusted.any():
        return ones
    return np.where(trusted, ones, np.float32(0 if column == _TOXICITY else DOUBTED))


def for_heads(rows: Sequence[Row], labels: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Targets and weights of all heads, rows x labels; the heads of other labels than `labels` have no targets."""
    known, base = matrix(rows), family_weights(rows)
    pairs = [for_head(known, base, column) for column in range(len(LABELS))]
    return _stacked(pairs, labels)


def for_calibration(rows: Sequence[Row], labels: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """As `for_heads`, but only what was judged counts, and families as much as they resemble a site's comments."""
    known = matrix(rows)
    columns = range(len(LABELS))
    pairs = [for_head(known, calibration_weights(rows, column), column, across=0) for column in columns]
    return _stacked(pairs, labels)


def _stacked(
    pairs: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]], labels: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    target = np.stack([target for target, _ in pairs], axis=1)
    target[:, [label not in labels for label in LABELS]] = np.nan
    return target, np.stack([weight for _, weight in pairs], axis=1)


def for_head(
    labels: NDArray[np.float32], base: NDArray[np.float32], column: int, across: float = ACROSS
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Targets (1, 0, NaN for "leave out") and weights for one head; `base` are the rows' own weights.

    With `across` 0 only rows somebody judged for the label, or that are not toxic at all, count.
    """
    target, weight = labels[:, column].copy(), base.copy()
    toxicity, spam = labels[:, _TOXICITY], labels[:, _SPAM]
    if column == _TOXICITY:
        kinds = labels[:, _TOXICITY + 1 :]
        _fill(target, weight, np.isnan(target) & (kinds == 1).any(axis=1), 1.0, kind=1)
    elif column != _SPAM:
        _fill(target, weight, np.isnan(target) & (toxicity == 0), IMPLIED)
    if across:
        other = toxicity if column == _SPAM else np.where(np.isnan(toxicity), spam, np.nan)
        _fill(target, weight, np.isnan(target) & ~np.isnan(other), across)
    return target, weight


def _fill(
    target: NDArray[np.float32], weight: NDArray[np.float32], where: NDArray[np.bool_], factor: float, kind: int = 0
) -> None:
    target[where] = kind
    weight[where] *= factor
