"""From normalised texts to hashed features, a whole batch in a few passes of numpy.

A feature is an n-gram of 2 to 5 bytes that has no space inside (one may stand at either end, so that
beginnings and ends of words count), a word, a pair of neighbouring words, or a flag. Each is hashed
into one of 2**18 slots ("the hashing trick", Weinberger et al. 2009) and counts once for a text.

The batch becomes one byte buffer. N-grams are polynomial rolling hashes over it; a word's hash is the
difference of two prefix sums, moved back to position 0 by the inverse of the base (Karp and Rabin 1987).
A slot depends only on the bytes of its own text, so a text has the same features in every batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from classifier.normalise import FLAGS, Normalised

BITS = 18
SLOTS = 1 << BITS
ORDERS = (2, 3, 4, 5)
CHUNK_BYTES = 1 << 18
CHUNK_TEXTS = 1 << 12
"""Texts of a chunk: a chunk's keys must fit 31 bits."""

NOWHERE = -2

_BASE = 0x9E3779B97F4A7C15
_BASE_INVERSE = pow(_BASE, -1, 1 << 64)
_PAIR = np.uint64(0xC2B2AE3D27D4EB4F)
_SPICE = tuple(
    np.uint64(odd)
    for odd in (
        0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F,
        0xE7037ED1A0B428DB, 0x8EBC6AF09C88C6E3, 0x589965CC75374CC3,
    )
)  # fmt: skip
"""One odd multiplier per kind of feature: orders 2 to 5, word, pair, flag."""
_WORD, _WORDS, _FLAG = 4, 5, 6

_WORD_BYTE = np.zeros(256, dtype=bool)
_WORD_BYTE[[*range(0x30, 0x3A), *range(0x61, 0x7B), *b"'*<>@$", *range(0x80, 0x100)]] = True

Slots = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Batch:
    """Features of a batch: text `texts[i]` has slot `slots[i]`. Both int32, sorted by text, then slot.

    `bounds` (int64, one more than texts) says where each text's features begin.
    """

    slots: Slots
    bounds: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Every feature of one text, first occurrence only: slot, and first and last byte of its place.

    `begins` and `ends` are byte offsets into the UTF-8 form of the normalised text, end exclusive; both
    are `NOWHERE` for a flag, and `begins` is -1 for the blank before the text.
    """

    slots: Slots
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]


def _slot(hashes: NDArray[np.uint64], kind: int) -> Slots:
    mixed = (hashes ^ (hashes >> np.uint64(31))) * _SPICE[kind]
    return (mixed >> np.uint64(64 - BITS)).astype(np.int32)


def _flag_slot(flag: str) -> int:
    digest = sha256(flag.encode("ascii")).digest()
    return int(_slot(np.frombuffer(digest[:8], dtype="<u8"), _FLAG)[0])


FLAG_SLOTS = {flag: _flag_slot(flag) for flag in FLAGS}


def _powers(base: int, count: int) -> NDArray[np.uint64]:
    factors = np.full(count, base, dtype=np.uint64)
    factors[:1] = 1
    return np.multiply.accumulate(factors)


_POWERS = _powers(_BASE, CHUNK_BYTES + 1)
_INVERSES = _powers(_BASE_INVERSE, CHUNK_BYTES + 1)


def encode(text: str) -> bytes:
    """The bytes features are taken from: UTF-8 between two spaces."""
    return b" " + text.encode("utf-8", "replace") + b" "


def _ngrams(buffer: NDArray[np.uint8]) -> Iterator[tuple[int, NDArray[np.int64], Slots]]:
    """(length, begins, slots) of the n-grams of each order."""
    filled = buffer != 0x20
    wide = buffer.astype(np.uint64) + np.uint64(1)
    base = np.uint64(_BASE)
    rolled = wide
    inner: NDArray[np.bool_] | None = None
    for kind, order in enumerate(ORDERS):
        rolled = rolled[:-1] * base + wide[order - 1 :]
        if order == 2:
            valid = filled[:-1] | filled[1:]
        else:
            inner = filled[1:-1] if inner is None else inner[:-1] & filled[order - 2 : -1]
            valid = inner
        begins = np.flatnonzero(valid)
        yield order, begins, _slot(rolled[begins], kind)


def _word_edges(buffer: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    inside = _WORD_BYTE[buffer]
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    return edges[0::2], edges[1::2]


def _word_hashes(buffer: NDArray[np.uint8], begins: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.uint64]:
    size = len(buffer)
    powers, inverses = _POWERS, _INVERSES
    if size >= len(powers):
        powers, inverses = _powers(_BASE, size + 1), _powers(_BASE_INVERSE, size + 1)
    sums = np.zeros(size + 1, dtype=np.uint64)
    np.cumsum((buffer.astype(np.uint64) + np.uint64(1)) * powers[:size], out=sums[1:])
    return (sums[ends] - sums[begins]) * inverses[begins]


def _places(
    buffer: NDArray[np.uint8], text_of: NDArray[np.int32]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], Slots]]:
    """(begins, ends, slots) of every feature of the buffer but the flags, one kind after the other."""
    for order, begins, slots in _ngrams(buffer):
        yield begins, begins + order, slots
    begins, ends = _word_edges(buffer)
    if not len(begins):
        return
    words = _word_hashes(buffer, begins, ends)
    yield begins, ends, _slot(words, _WORD)
    neighbours = np.flatnonzero(text_of[begins[1:]] == text_of[begins[:-1]])
    pairs = words[neighbours] * _PAIR + words[neighbours + 1]
    yield begins[neighbours], ends[neighbours + 1], _slot(pairs, _WORDS)


def _chunk_keys(texts: Sequence[Normalised]) -> NDArray[np.int32]:
    """Sorted distinct keys `text << BITS | slot` of one chunk."""
    encoded = [encode(text.text) for text in texts]
    buffer = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    lengths = np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded))
    text_of = np.repeat(np.arange(len(encoded), dtype=np.int32) << BITS, lengths)
    keys = [text_of[begins] | slots for begins, _, slots in _places(buffer, text_of)]
    flags = [at << BITS | FLAG_SLOTS[flag] for at, text in enumerate(texts) for flag in text.flags]
    keys.append(np.array(flags, dtype=np.int32))
    merged = _sorted(keys, len(texts))
    fresh = np.ones(len(merged), dtype=bool)
    np.not_equal(merged[1:], merged[:-1], out=fresh[1:])
    return merged[fresh]


def _sorted(keys: Sequence[NDArray[np.int32]], texts: int) -> NDArray[np.int32]:
    """All keys sorted. In each of `keys` those of one text stand together, in the order of texts.

    Texts are sorted two at a time: twenty short sorts take half as long as a long one.
    """
    edges = np.arange(2, texts, 2, dtype=np.int32) << BITS
    cuts = [[0, *np.searchsorted(part, edges).tolist(), len(part)] for part in keys]
    return np.concatenate([
        np.sort(np.concatenate([part[cut[at] : cut[at + 1]] for part, cut in zip(keys, cuts, strict=True)]))
        for at in range(len(edges) + 1)
    ])  # fmt: skip


def chunks(texts: Sequence[Normalised]) -> Iterator[Sequence[Normalised]]:
    """`texts` in order, cut so that a chunk's buffer stays small; at least one text in each."""
    start, size = 0, 0
    for at, text in enumerate(texts):
        length = len(text.text) * (1 if text.text.isascii() else 4) + 2
        if at > start and (size + length > CHUNK_BYTES or at - start >= CHUNK_TEXTS):
            yield texts[start:at]
            start, size = at, 0
        size += length
    if start < len(texts):
        yield texts[start:]


def extract(texts: Sequence[Normalised]) -> Batch:
    """The features of one chunk of texts (see `chunks`): each distinct slot of a text once."""
    if not texts:
        return Batch(np.zeros(0, np.int32), np.zeros(1, np.int64))
    keys = _chunk_keys(texts)
    firsts = np.arange(len(texts) + 1, dtype=np.int64) << BITS
    return Batch(keys & np.int32(SLOTS - 1), np.searchsorted(keys, firsts))


def locate(text: Normalised) -> Occurrences:
    """The features of one text with their places, for explanations. Slots as in `extract`, each once."""
    buffer = np.frombuffer(encode(text.text), dtype=np.uint8)
    places = list(_places(buffer, np.zeros(len(buffer), dtype=np.int32)))
    flags = np.array([FLAG_SLOTS[flag] for flag in text.flags], dtype=np.int32)
    absent = np.full(len(flags), NOWHERE, dtype=np.int64)
    slots = np.concatenate([place[2] for place in places] + [flags])
    begins = np.concatenate([place[0] - 1 for place in places] + [absent])
    ends = np.concatenate([place[1] - 1 for place in places] + [absent])
    distinct, first = np.unique(slots, return_index=True)
    return Occurrences(distinct, begins[first], ends[first])
