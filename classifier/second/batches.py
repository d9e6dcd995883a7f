"""Texts to token ids, and rows of like length together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from classifier.normalise import normalise_all
from classifier.second.pieces import Pieces
from classifier.second.wording import wording

STEP = 8
_POOL = 4096


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows by number, their token ids and mask (int64, rows x length; 0 where a row has ended)."""

    rows: list[int]
    ids: NDArray[np.int64]
    mask: NDArray[np.int64]


def tokenised(pieces: Pieces, texts: Sequence[str], longest: int) -> list[list[int]]:
    """The token ids of each text, at most `longest`."""
    return [pieces.encode(wording(read), longest) for read in normalise_all(texts)]


def padded(ids: Sequence[Sequence[int]], rows: Sequence[int]) -> Batch:
    """The batch of `rows`, all as long as the longest, rounded up to `STEP`."""
    length = -(-max(len(ids[row]) for row in rows) // STEP) * STEP
    table, mask = (np.zeros((len(rows), length), dtype=np.int64) for _ in range(2))
    for at, row in enumerate(rows):
        table[at, : len(ids[row])] = ids[row]
        mask[at, : len(ids[row])] = 1
    return Batch(list(rows), table, mask)


def in_order(ids: Sequence[Sequence[int]], most: int) -> Iterator[Batch]:
    """All rows, shortest first, at most `most` tokens in a batch: for scoring."""
    order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
    for rows in _cut(ids, order, most):
        yield padded(ids, rows)


def shuffled(ids: Sequence[Sequence[int]], most: int, random: Random) -> Iterator[Batch]:
    """All rows in random batches of like length, at most `most` tokens each: for training."""
    batches: list[list[int]] = []
    for start in range(0, len(ids), _POOL):
        pool = sorted(range(start, min(start + _POOL, len(ids))), key=lambda row: (len(ids[row]), row))
        batches += _cut(ids, pool, most)
    random.shuffle(batches)
    for rows in batches:
        yield padded(ids, rows)


def _cut(ids: Sequence[Sequence[int]], order: Sequence[int], most: int) -> Iterator[list[int]]:
    rows: list[int] = []
    for row in order:
        length = -(-len(ids[row]) // STEP) * STEP
        if rows and length * (len(rows) + 1) > most:
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows
