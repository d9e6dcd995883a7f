"""Say which words made a score.

The log-odds are a sum over features, so the sum of the features that lie under a word is that word's exact
part, at no further cost. A pair of words is shared between the two. All parts are integers until the end;
as floats they are multiples of 2**-32, which floats of this size add without rounding.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier import features
from classifier.normalise import Aligned, Normalised, align, span_of
from classifier.scores import UNIT, probability


@dataclass(frozen=True, slots=True)
class Word:
    """A piece of the original text and its part of the log-odds.

    `start` and `end` count code points of the original, `utf16_start` and `utf16_end` UTF-16 units, as
    browsers do; ends are exclusive. A word said twice has its part where it is said first.
    """

    text: str
    start: int
    end: int
    utf16_start: int
    utf16_end: int
    log_odds: float


@dataclass(frozen=True, slots=True)
class Flag:
    """A way of writing that was undone (such as "xleet"), or a named feature (such as "email:free"), and its part."""

    name: str
    log_odds: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a text has its score for `label`.

    `bias` plus the parts of all `words`, `flags` and `other` (the words left out) is `log_odds`, exactly.
    `score` is the calibrated probability, or None where the model gives no opinion on the language.
    """

    label: str
    score: float | None
    log_odds: float
    bias: float
    words: tuple[Word, ...]
    flags: tuple[Flag, ...]
    other: float


@dataclass(frozen=True, slots=True)
class Line:
    """What decides one label of one text: a weight per slot, units of log-odds per weight, the bias in units.

    `context`: units of log-odds by named feature.
    """

    label: str
    weights: NDArray[np.int8]
    step: int
    bias: int
    context: Mapping[str, int]


def explain(text: str, line: Line, opinion: bool, top: int) -> Explanation:
    """Explain one label of one text by at most `top` words; without `opinion` it has no score."""
    aligned = align(text)
    found = features.locate(Normalised(aligned.text, aligned.flags))
    values = line.weights[found.slots].astype(np.int64)
    parts = _parts_of_words(aligned.text, found, values) * line.step
    order = np.argsort(-np.abs(parts), kind="stable")
    order = order[parts[order] != 0]
    words = _words(text, aligned, [int(at) for at in order[:top]], parts)
    flags = tuple(
        Flag(flag, int(line.weights[features.FLAG_SLOTS[flag]]) * line.step * UNIT)
        for flag in _credited(aligned.flags, found)
    ) + tuple(Flag(name, units * UNIT) for name, units in line.context.items())
    units = line.bias + int(values.sum()) * line.step + sum(line.context.values())
    return Explanation(
        label=line.label,
        score=probability(units) if opinion else None,
        log_odds=units * UNIT,
        bias=line.bias * UNIT,
        words=words,
        flags=flags,
        other=int(parts[order[top:]].sum()) * UNIT,
    )


def _credited(flags: tuple[str, ...], found: features.Occurrences) -> list[str]:
    """The flags whose slot was not already taken by a feature of the text."""
    free = set(found.slots[found.begins == features.NOWHERE].tolist())
    return [flag for flag in flags if features.FLAG_SLOTS[flag] in free]


def _parts_of_words(text: str, found: features.Occurrences, values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The sum of values under each of `text.split(" ")`; a feature over two words gives each a half."""
    blank = np.frombuffer(text.encode("utf-8", "replace"), dtype=np.uint8) == 0x20
    word_of = np.concatenate([[0], np.cumsum(blank)])
    spoken = found.begins != features.NOWHERE
    begins, ends, values = found.begins[spoken], found.ends[spoken], values[spoken]
    first = word_of[begins + 1]
    last = word_of[np.maximum(ends - 1, 0)]
    halves = np.where(first == last, 0, values // 2)
    parts = np.zeros(int(word_of[-1]) + 1, dtype=np.int64)
    np.add.at(parts, first, values - halves)
    np.add.at(parts, last, halves)
    return parts


def _words(text: str, aligned: Aligned, chosen: list[int], parts: NDArray[np.int64]) -> tuple[Word, ...]:
    spans, at = [], 0
    for piece in aligned.text.split(" "):
        spans.append((at, at + len(piece)))
        at += len(piece) + 1
    words = []
    for number in chosen:
        start, end = span_of(aligned, *spans[number])
        before = _utf16_length(text[:start])
        here = _utf16_length(text[start:end])
        part = int(parts[number]) * UNIT
        words.append(Word(text[start:end], start, end, before, before + here, part))
    return tuple(words)


def _utf16_length(text: str) -> int:
    return len(text) + sum(char > "\uffff" for char in text)
