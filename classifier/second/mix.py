"""What one pass over the data is made of.

Rows and their weights are those of the first tier (`targets`). Families that count for less are also drawn less
often, which costs less time for the same weight. Some rows are disguised, some are joined with a harmless one, so that
one bad sentence in a long text is seen and no family's manner of writing is a sign by itself.
"""

from collections.abc import Iterator, Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray

from classifier import targets
from classifier.augment import COUNTER_SPEECH, NEUTRAL_IDENTITY, augment, telling_odds, worst_words
from classifier.data import Row
from classifier.disguise import disguise_to_learn, words_in
from classifier.scores import LABELS

KEPT = {
    "davidson": 0.45,
    "spamassassin": 0.4,
    "stackoverflow_ham": 0.6,
    "stormfront": 0.55,
    "synth": 0.5,
    COUNTER_SPEECH: 0.6,
    NEUTRAL_IDENTITY: 0.5,
}
"""The share of a family that one pass takes; those taken weigh as much more."""

DISGUISED = 0.3
JOINED = 0.06
_SHORT = 200
_SPAM, _TOXICITY = LABELS.index("spam"), LABELS.index("toxicity")


class Mix:
    """The rows to learn from, and what may be done to them.

    rows: train rows. seed: of everything drawn; a pass is the same for the same rows, seed and number.
    """

    def __init__(self, rows: Sequence[Row], seed: int) -> None:
        made = [row for row in augment(rows, seed) if row.family in (COUNTER_SPEECH, NEUTRAL_IDENTITY)]
        self.rows = [*rows, *made]
        self.seed = seed
        self._toxic, self._spam = (telling_odds(rows, column) for column in (_TOXICITY, _SPAM))
        self._calm = [row for row in rows if row.labels[_TOXICITY] == 0 and len(row.text) < _SHORT]

    def drawn(self, number: int) -> tuple[list[Row], NDArray[np.float32], NDArray[np.float32]]:
        """Pass `number`: rows in a random order, their targets and weights (rows x labels, see `targets`)."""
        random = Random(f"{self.seed}-{number}")
        rows = [row for row in self.rows if random.random() < KEPT.get(row.family, 1.0)]
        random.shuffle(rows)
        rows = list(self._altered(rows, random))
        target, weight = targets.for_heads(rows, LABELS)
        drawn_more = np.array([1 / KEPT.get(row.family, 1.0) for row in rows], dtype=np.float32)
        return rows, target, weight * drawn_more[:, None]

    def _altered(self, rows: Sequence[Row], random: Random) -> Iterator[Row]:
        for row in rows:
            chance = random.random()
            if chance < DISGUISED:
                yield self._disguised(row, random)
            elif chance < DISGUISED + JOINED and len(row.text) < _SHORT and self._calm:
                yield _joined(row, random.choice(self._calm), random)
            else:
                yield row

    def _disguised(self, row: Row, random: Random) -> Row:
        words = self._words(row, random)
        return _rewritten(row, disguise_to_learn(row.text, words, random)) if words else row

    def _words(self, row: Row, random: Random) -> list[str]:
        if row.labels[_TOXICITY] == 1:
            return worst_words(row.text, self._toxic)[:3]
        if row.labels[_SPAM] == 1:
            return worst_words(row.text, self._spam)[:4]
        found = words_in(row.text)
        return random.sample(found, min(2, len(found)))


def _rewritten(row: Row, text: str) -> Row:
    return Row(text, row.labels, row.source, row.family, row.split)


def _joined(row: Row, other: Row, random: Random) -> Row:
    """Both texts, one after the other: positive where either is, negative where both are."""
    texts = [row.text, other.text]
    random.shuffle(texts)
    labels = tuple(_either(*pair) for pair in zip(row.labels, other.labels, strict=True))
    return Row(" ".join(texts), labels, row.source, row.family, row.split)


def _either(one: int | None, other: int | None) -> int | None:
    if 1 in (one, other):
        return 1
    return 0 if one == other == 0 else None
