"""The second tier as a teacher: what it says of parts of the comments, for the first tier to learn from."""

from collections.abc import Callable, Iterator, Sequence
from math import exp
from pathlib import Path
from random import Random

import numpy as np

from classifier import lessons
from classifier.artifact import ModelError
from classifier.augment import telling_odds, worst_words
from classifier.data import Row, read
from classifier.disguise import disguise_to_learn, words_in
from classifier.lessons import DISGUISED_PART, PART, Lesson, Lessons
from classifier.normalise import normalise_all
from classifier.scores import LABELS
from classifier.second.model import SecondTier, load
from classifier.train import UNCALIBRATED_FAMILIES

_SEED = 5
_AT_ONCE = 8192
_CLEAR, _DOUBTFUL = 0.5, 0.2
_CALM_COPIES = 0.3
_SPAM, _TOXICITY = LABELS.index("spam"), LABELS.index("toxicity")


def teach(teacher: Path, data: Path, out: Path, say: Callable[[str], None]) -> Lessons:
    """Write the lessons of a second tier on the train rows of the families in `data` that it learned from.

    Raises DataError, ModelError.
    """
    second = load(teacher)
    without = frozenset(second.header.training.get("without", ()))
    rows = [row for row in read(data).split("train") if row.family not in without | UNCALIBRATED_FAMILIES]
    found = _parts(rows)
    say(f"{len(rows):,} rows have {len(found):,} parts")
    given = tuple(_read(second, found, say))
    given += tuple(_disguised(given, rows, Random(_SEED)))
    made = Lessons(second.sha256, without, given)
    digest = lessons.write(out, made)
    say(f"wrote {out}, {len(given):,} lessons, sha256 {digest}")
    return made


def _parts(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Families and parts, each part once."""
    seen: set[str] = set()
    found = []
    for row in rows:
        for part in lessons.parts(row.text):
            if part.lower() not in seen:
                seen.add(part.lower())
                found.append((row.family, part))
    return found


def _read(second: SecondTier, found: Sequence[tuple[str, str]], say: Callable[[str], None]) -> Iterator[Lesson]:
    for start in range(0, len(found), _AT_ONCE):
        some = found[start : start + _AT_ONCE]
        odds = second.raw_odds(normalise_all([text for _, text in some]))
        if not np.isfinite(odds).all():
            raise ModelError(f"The second tier {second.path} gives no numbers.")
        for (family, text), row in zip(some, odds.tolist(), strict=True):
            yield Lesson(PART, family, text, tuple(round(odd, 2) for odd in row))
        say(f"read {start + len(some):,} of {len(found):,}")


def _disguised(given: Sequence[Lesson], rows: Sequence[Row], random: Random) -> Iterator[Lesson]:
    """Parts with their telling words in disguise: two of a bad one, one of a doubtful one, some of the others."""
    toxic, spam = (telling_odds(rows, column) for column in (_TOXICITY, _SPAM))
    for one in given:
        chance = _chance(one.odds[_TOXICITY])
        doubtful = chance > _DOUBTFUL or _chance(one.odds[_SPAM]) > _CLEAR
        copies = 2 if chance > _CLEAR else int(doubtful or random.random() < _CALM_COPIES)
        words = worst_words(one.text, toxic)[:3] or worst_words(one.text, spam)[:3] or _some(one.text, random)
        for _ in range(copies if words else 0):
            yield Lesson(DISGUISED_PART, one.family, disguise_to_learn(one.text, words, random), one.odds)


def _some(text: str, random: Random) -> list[str]:
    found = words_in(text)
    return random.sample(found, min(2, len(found)))


def _chance(odds: float) -> float:
    return 1 / (1 + exp(-odds))
