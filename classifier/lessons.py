"""Lessons: texts that a teacher has read, with its log-odds of each label, to learn from beside what people said.

The teacher is the second tier. What it says of parts of comments shows a linear model what single words and phrases
are worth, which no label of a whole comment does; this is knowledge distillation (Hinton et al. 2015). Parts are also
learned in disguise, with what the teacher says of them in clear.

A file of lessons is made by `python -m classifier second teach`: JSON lines, gzip; the first names the teacher and the
families that it was trained without, each other one is `[kind, family, text, [log-odds by label]]`. It holds parts of
the comments it was made from, so it is as private as they are, and nothing of it goes into a model but weights.
"""

import gzip
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import isfinite
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from classifier.data import DataError
from classifier.scores import LABELS

PART, DISGUISED_PART = "part", "disguised part"
WEIGHTS = {PART: 0.4, DISGUISED_PART: 0.3}
"""What a lesson counts for, where a row of a family that is believed counts 1."""

TAUGHT = ("toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack", "spam")
"""Labels that learn from lessons."""

_SENTENCE = re.compile(r"(?<=[.!?;:\n])\s+|\n+")
_LONG, _WORDS, _MOST = 16, 12, 6


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a teacher says of a text. family: of the comment that it comes from. odds: log-odds by label."""

    kind: str
    family: str
    text: str
    odds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Lessons:
    """All lessons of a teacher. teacher, digest: SHA-256 of its file and of theirs. without: families it never saw."""

    teacher: str
    without: frozenset[str]
    given: tuple[Lesson, ...]
    digest: str = ""

    @property
    def texts(self) -> list[str]:
        """The texts, in order."""
        return [one.text for one in self.given]

    def targets(self, labels: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Targets, probabilities, NaN for labels not in `labels`, and weights; both lessons x labels."""
        odds = np.array([one.odds for one in self.given], dtype=np.float64).reshape(-1, len(LABELS))
        chance = (1 / (1 + np.exp(-odds))).astype(np.float32)
        chance[:, [label not in labels or label not in TAUGHT for label in LABELS]] = np.nan
        weight = np.array([WEIGHTS[one.kind] for one in self.given], dtype=np.float32)
        return chance, np.repeat(weight[:, None], len(LABELS), axis=1)


def parts(text: str) -> list[str]:
    """Parts of a text that say something by themselves: sentences, long ones cut, at most six; [] when it has none."""
    found: list[str] = []
    for sentence in _SENTENCE.split(text):
        words = sentence.split()
        if len(words) > _LONG:
            pieces = -(-len(words) // _WORDS)
            size = -(-len(words) // pieces)
            found += [" ".join(words[at : at + size]) for at in range(0, len(words), size)]
        elif len(words) > 1:
            found.append(" ".join(words))
    return [part for part in found if part != text.strip()][:_MOST]


def write(path: Path, lessons: Lessons) -> str:
    """Write a file of lessons; equal lessons give equal bytes. Returns its SHA-256."""
    lines = [json.dumps({"teacher": lessons.teacher, "without": sorted(lessons.without)})]
    lines += [
        json.dumps([one.kind, one.family, one.text, [round(odd, 2) for odd in one.odds]]) for one in lessons.given
    ]
    content = gzip.compress("\n".join(lines).encode("ascii"), mtime=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return sha256(content).hexdigest()


def read(path: Path) -> Lessons:
    """Read a file of lessons. Raises DataError."""
    try:
        content = path.read_bytes()
        head, *lines = gzip.decompress(content).decode("ascii").split("\n")
        said = json.loads(head)
        given = tuple(_lesson(*json.loads(line)) for line in lines)
        return Lessons(str(said["teacher"]), _families(said["without"]), given, sha256(content).hexdigest())
    except (OSError, EOFError, zlib.error, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path} holds no lessons; `python -m classifier second teach` makes them.") from error


def _families(names: object) -> frozenset[str]:
    """A text would be read as the set of its letters, and no family be left out."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"no list of families: {names}")
    return frozenset(names)


def _lesson(kind: str, family: str, text: str, odds: Sequence[float]) -> Lesson:
    if not (isinstance(kind, str) and isinstance(family, str) and isinstance(text, str)):
        raise TypeError("kind, family and text of a lesson are texts")
    if kind not in WEIGHTS or len(odds) != len(LABELS) or not all(isfinite(odd) for odd in odds):
        raise ValueError(f"no lesson: {kind}, {odds}")
    return Lesson(kind, family, text, tuple(odds))
