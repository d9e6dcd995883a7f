"""Bring a text into the one form the classifier reads, and remember what had to be undone.

Normalising is a list of acts. Each finds something in the text and writes it plainly: a letter
in another alphabet, a word spelled with spaces, an address that becomes a token. An act that a
writer uses to slip past a filter leaves a flag, which is a feature and an explanation.

The acts are repeated until nothing changes, at most `_ROUNDS` times; a text that still moves is
stripped to bare words. So normalising is idempotent by construction, and linear in the length
of the text: each pattern is bounded and can start only where a run starts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from re import compile as pattern

from classifier.acts import ACTS, LINK_ACTS, Edit
from classifier.fold import HIDDEN, STACKED, STYLED, TABLE, fold

FLAGS = (
    "xhidden", "xstacked", "xstyled", "xcaps", "xglyph", "xspaced", "xdot", "xleet", "xmask", "xgrawlix",
    "xstretch", "xurls",
)  # fmt: skip
"""Every flag a text can carry, in a fixed order (features are derived from the name)."""

_ROUNDS = 4
_CAPITALS = pattern(r"[A-Z]{4}")
_SHOUTED = pattern(r"(?<![A-Za-z])[A-Z]{4,}(?![A-Za-z])")
_BARE = pattern(r"[^a-z]+")
_LONE = pattern(r"(?<![a-z])(?:[a-z]|dot)(?![a-z])")
_RUN = pattern(r"([a-z])\1{2,}")


@dataclass(frozen=True, slots=True)
class Normalised:
    """A normalised text: lower-case words, single spaces, none at the ends; and its flags."""

    text: str
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Aligned:
    """A normalised text with, for each of its characters, the span of the original it came from.

    `starts[i]` and `ends[i]` are code point offsets; text and flags equal those of `normalise`.
    """

    text: str
    flags: tuple[str, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]


def normalise(text: str) -> Normalised:
    """The normal form of any `str`. Never raises; `normalise(normalise(t).text).text` is itself."""
    flags = _surface_flags(text)
    current = fold(text)
    for _ in range(_ROUNDS):
        acted = False
        for act in ACTS:
            if not act.gate(current):
                continue
            edits = act.edits(current)
            if not edits:
                continue
            acted = True
            flags.update(edit.flag for edit in edits if edit.flag)
            current = _rewrite(current, edits)
        collapsed = " ".join(current.split())
        if not acted and collapsed == current:
            return Normalised(current, _ordered(flags, current))
        current = collapsed
    return Normalised(_strip_to_words(current), _ordered(flags, current))


def align(text: str) -> Aligned:
    """As `normalise`, keeping where each character came from. Slower; for explanations."""
    flags = _surface_flags(text)
    tape = _Tape.fold(text)
    for _ in range(_ROUNDS):
        acted = False
        for act in ACTS:
            edits = act.edits(tape.text) if act.gate(tape.text) else []
            acted = acted or bool(edits)
            flags.update(edit.flag for edit in edits if edit.flag)
            tape = tape.rewrite(edits)
        before, tape = tape.text, tape.collapse()
        if not acted and tape.text == before:
            return tape.aligned(_ordered(flags, tape.text))
    return tape.to_words().aligned(_ordered(flags, tape.text))


def mend_links(text: str) -> str:
    """`text` with links whole that were written as `spam [dot] example`, in plain lower-case letters. Never raises.

    A text without a broken link is given back as it is.
    """
    current, mended = fold(text), False
    for act in LINK_ACTS:
        if act.gate(current) and (edits := act.edits(current)):
            current, mended = _rewrite(current, edits), True
    return current if mended else text


def _surface_flags(text: str) -> set[str]:
    flags: set[str] = set()
    if _CAPITALS.search(text) and 3 * len(_SHOUTED.findall(text)) >= len(text.split()):
        flags.add("xcaps")
    if text.isascii():
        return flags
    if HIDDEN.search(text):
        flags.add("xhidden")
    if STACKED.search(text):
        flags.add("xstacked")
    if STYLED.search(text):
        flags.add("xstyled")
    return flags


def _ordered(flags: set[str], text: str) -> tuple[str, ...]:
    if text.count("<url>") > 1:
        flags.add("xurls")
    return tuple(flag for flag in FLAGS if flag in flags) if flags else ()


def _rewrite(text: str, edits: Sequence[Edit]) -> str:
    pieces: list[str] = []
    at = 0
    for edit in edits:
        pieces += (text[at : edit.start], edit.text)
        at = edit.end
    pieces.append(text[at:])
    return "".join(pieces)


def _strip_to_words(text: str) -> str:
    """Only words of two or more letters, no letter three times in a row: no act finds anything here."""
    bare = _LONE.sub(" ", _BARE.sub(" ", text))
    return " ".join(_RUN.sub(r"\1\1", bare).split())


class _Tape:
    """A text whose characters know their span in the original."""

    def __init__(self, text: str, starts: list[int], ends: list[int]) -> None:
        self.text, self.starts, self.ends = text, starts, ends

    @classmethod
    def fold(cls, text: str) -> "_Tape":
        pieces, starts, ends = [], [], []
        for at, char in enumerate(text):
            plain = fold(char) if char.isascii() else TABLE[ord(char)]
            pieces.append(plain)
            starts += [at] * len(plain)
            ends += [at + 1] * len(plain)
        return cls("".join(pieces), starts, ends)

    def aligned(self, flags: tuple[str, ...]) -> Aligned:
        return Aligned(self.text, flags, tuple(self.starts), tuple(self.ends))

    def rewrite(self, edits: Sequence[Edit]) -> "_Tape":
        if not edits:
            return self
        starts: list[int] = []
        ends: list[int] = []
        at = 0
        for edit in edits:
            first, last = self.starts[edit.start], self.ends[edit.end - 1]
            starts += self.starts[at : edit.start] + [first] * len(edit.text)
            ends += self.ends[at : edit.start] + [last] * len(edit.text)
            at = edit.end
        return _Tape(_rewrite(self.text, edits), starts + self.starts[at:], ends + self.ends[at:])

    def collapse(self) -> "_Tape":
        keep = [
            at for at, char in enumerate(self.text) if not char.isspace() or (at and not self.text[at - 1].isspace())
        ]
        if keep and self.text[keep[-1]].isspace():
            keep.pop()
        chars = "".join(" " if self.text[at].isspace() else self.text[at] for at in keep)
        return _Tape(chars, [self.starts[at] for at in keep], [self.ends[at] for at in keep])

    def to_words(self) -> "_Tape":
        blank = _LONE.sub(" ", "".join(c if "a" <= c <= "z" else " " for c in self.text))
        tape = _Tape(blank, self.starts, self.ends)
        runs = [Edit(m.start(), m.end(), m[1] * 2, None) for m in _RUN.finditer(blank)]
        return tape.rewrite(runs).collapse()


def span_of(aligned: Aligned, start: int, end: int) -> tuple[int, int]:
    """The span of the original (code points) that became `aligned.text[start:end]`."""
    return min(aligned.starts[start:end]), max(aligned.ends[start:end])
