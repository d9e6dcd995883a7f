"""Find, in a few passes of numpy over a whole batch, what normalising need not look for in which text.

Most comments are plain, and asking fourteen acts about each costs more than all else in scoring. `doors` says for
each text which acts might find something. It looks for a superset of what the gates of the acts look for, so being
wrong costs time, never correctness; `tests/classifier/test_normalise.py` compares both ways.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

GLYPHS, SCHEMES, LONE, DOTS, LINKS, MAIL, MACHINES, MONEY, PHONES, USERS, LEET, MASKS, GRAWLIX, STRETCH = range(14)
"""The acts of `classifier.acts.ACTS`, by number."""

CAPITALS, BLANKS = 14, 15
"""Two more doors: a run of capitals, and white space that is not one blank between two words."""

ANY = (1 << 16) - 1
"""All doors: what is not plain ASCII is looked at by every act."""

_LETTER, _DIGIT, _SPACE, _CAPITAL, _SIGN, _NUMERIC, _SINGLE, _CURSE = (1 << at for at in range(8))


def _kinds() -> NDArray[np.uint8]:
    table = np.zeros(256, dtype=np.uint8)
    for letters, kind in (
        (bytes(range(0x61, 0x7B)), _LETTER | _SINGLE),
        (bytes(range(0x41, 0x5B)), _LETTER | _SINGLE | _CAPITAL),
        (b"0123456789", _DIGIT | _SIGN | _SINGLE | _NUMERIC),
        (b"!|@$", _SIGN),
        (b"!@$", _SINGLE),
        (b" \t\n\v\f\r\x1c\x1d\x1e\x1f", _SPACE),
        (b" ().-", _NUMERIC),
        (b"@#$%&*!", _CURSE),
    ):
        for letter in letters:
            table[letter] |= kind
    return table


def _doors_of_one() -> NDArray[np.uint16]:
    """Doors that a single byte opens."""
    table = np.zeros(256, dtype=np.uint16)
    table[[*range(0x09), *range(0x0E, 0x20), 0x7F, 0xFF]] = ANY
    table[[*b"\t\n\v\f\r<"]] = 1 << BLANKS
    table[ord("@")] |= 1 << MAIL | 1 << USERS
    table[ord("$")] |= 1 << MONEY
    table[[*b"*#%"]] |= 1 << MASKS
    return table


def _members(letters: bytes) -> NDArray[np.bool_]:
    table = np.zeros(256, dtype=bool)
    table[[*letters]] = True
    return table


_KINDS, _ONE = _kinds(), _doors_of_one()
_UNITS = _members(b"kmuegdpb$KMUEGDPB")
"""First letters of what may follow an amount: k, m, usd, euros, gbp, dollars, pounds, bucks."""

_OPEN = _members(b"[( ")
_FOREIGN, _APART = b"\xff", b"\xfe"
"""Stand for a text beyond ASCII and for the end of a text; no ASCII text has such bytes."""
_END = _APART * 10

_LOWER = np.arange(256, dtype=np.uint8)
_LOWER[0x41:0x5B] += 0x20

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def doors(texts: Sequence[str]) -> list[int]:
    """For each text a bit for each act that might find something in it; 0 for one that is plain throughout."""
    if not texts:
        return []
    encoded = [text.encode() if text.isascii() else _FOREIGN for text in texts]
    buffer = np.frombuffer(_APART.join([*encoded, _END]), dtype=np.uint8)
    lengths = np.array([len(one) for one in encoded], dtype=np.int64)
    ends = np.cumsum(lengths + 1) - 1
    begins = ends - lengths
    found = np.bitwise_or.reduceat(_doors(buffer), begins)
    edges = (_KINDS[buffer[begins]] | _KINDS[buffer[ends - 1]]) & _SPACE
    return np.where(lengths > 0, found | (edges != 0).astype(np.uint16) << BLANKS, ANY).tolist()  # type: ignore[no-any-return]


def _doors(buffer: Bytes) -> NDArray[np.uint16]:
    """For each byte the doors of what begins there."""
    kinds, lower = _KINDS[buffer], _LOWER[buffer]
    found = _ONE[buffer]
    letter, digit, space = (kinds & _LETTER) != 0, (kinds & _DIGIT) != 0, (kinds & _SPACE) != 0
    dot, alike = lower == 0x2E, lower[1:] == lower[:-1]
    _open(found, LEET, ((kinds[:-1] & _SIGN) != 0) & letter[1:])
    _open(found, LEET, letter[:-1] & ((lower[1:] == 0x40) | (lower[1:] == 0x24)))
    _open(found, LINKS, dot[:-1] & letter[1:])
    _open(found, LINKS, (lower[:-2] == 0x3A) & (lower[1:-1] == 0x2F))
    _open(found, SCHEMES, (lower[:-2] == 0x68) & alike[1:] & ((lower[2:] == 0x74) | (lower[2:] == 0x78)))
    _open(found, DOTS, _OPEN[buffer[:-1]] & dot[1:])
    _open(found, DOTS, _OPEN[buffer[:-3]] & (lower[1:-2] == 0x64) & (lower[2:-1] == 0x6F) & (lower[3:] == 0x74))
    _open(found, MACHINES, digit[:-2] & dot[1:-1] & digit[2:])
    _open(found, MONEY, digit[:-2] & (_UNITS[buffer[1:-1]] | space[1:-1] & _UNITS[buffer[2:]]))
    _open(found, STRETCH, alike[:-1] & alike[1:] & ~digit[:-2] & ~space[:-2])
    _open(found, BLANKS, space[:-1] & space[1:])
    _open(found, CAPITALS, _run(kinds, _CAPITAL, 4))
    _open(found, GRAWLIX, _run(kinds, _CURSE, 4))
    _open(found, PHONES, digit[:-7] & _run(kinds, _NUMERIC, 8))
    _open(found, LONE, _lone_letters(kinds))
    return found


def _open(found: NDArray[np.uint16], door: int, where: Mask) -> None:
    found[: len(where)] |= where.astype(np.uint16) << np.uint16(door)


def _run(kinds: Bytes, kind: int, length: int) -> Mask:
    """Where a run of `length` (a power of two) bytes of one kind begins."""
    run: Mask = (kinds & kind) != 0
    step = 1
    while step < length:
        run = run[:-step] & run[step:]
        step *= 2
    return run


def _lone_letters(kinds: Bytes) -> Mask:
    """Where a letter or digit stands alone and another one alone within four more bytes."""
    single = (kinds & _SINGLE) != 0
    lone: Mask = single.copy()
    lone[1:] &= ~single[:-1]
    lone[:-1] &= ~single[1:]
    near: Mask = lone[:-4] & (lone[2:-2] | lone[3:-1] | lone[4:])
    return near
