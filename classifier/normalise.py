"""Bring a text into the one form the classifier reads, and remember what had to be undone.

Normalising is a list of acts. Each finds something in the text and writes it plainly: a letter
in another alphabet, a word spelled with spaces, an address that becomes a token. An act that a
writer uses to slip past a filter leaves a flag, which is a feature and an explanation.

The acts are repeated until nothing changes, at most `_ROUNDS` times; a text that still moves is
stripped to bare words and tokens. So normalising is idempotent by construction, and linear in the length
of the text: each pattern is bounded and can start only where a run starts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from re import compile as pattern

from classifier.acts import ACTS, LINK_ACTS, Edit
from classifier.fold import HIDDEN, STACKED, STYLED, TABLE, fold
from classifier.quiet import ANY, BLANKS, CAPITALS, doors

FLAGS = (
    "xhidden", "xstacked", "xstyled", "xcaps", "xglyph", "xspaced", "xdot", "xleet", "xmask", "xgrawlix",
    "xstretch", "xurls", "xlinks", "xcheap", "xshort",
)  # fmt: skip
"""Every flag a text can carry, in a fixed order (features are derived from the name)."""

_ROUNDS = 4
_FEW, _TOGETHER, _LETTERS = 8, 512, 1 << 19
"""Fewer texts, or more letters, are looked at one by one; and so many texts at most at once."""

_CAPITALS = pattern(r"[A-Z]{4}")
_SHOUTED = pattern(r"(?<![A-Za-z])[A-Z]{4,}(?![A-Za-z])")
_BARE = pattern(r"(<(?:url|email|ip|money|phone|grawlix)>|(?<![\w@])@user(?!\w))|[^a-z]")
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
    reading = _Reading(fold(text), _surface_flags(text))
    for _ in range(_ROUNDS):
        if reading.settles(ANY):
            return reading.normalised()
    return reading.stripped()


def normalise_all(texts: Sequence[str]) -> list[Normalised]:
    """As `normalise` for each text, in order, but faster for many: what a text has not is seen for all at once."""
    found: list[Normalised] = []
    for start in range(0, len(texts), _TOGETHER):
        some = texts[start : start + _TOGETHER]
        few = len(some) < _FEW or sum(map(len, some)) > _LETTERS
        found += [normalise(text) for text in some] if few else _together(some)
    return found


def _together(texts: Sequence[str]) -> list[Normalised]:
    found: list[Normalised | None] = []
    waiting: list[tuple[int, _Reading, int]] = []
    for text, door in zip(texts, doors(texts), strict=True):
        found.append(Normalised(text.lower(), ()) if not door else None)
        if door:
            flags = _surface_flags(text) if door >> CAPITALS & 1 else set[str]()
            waiting.append((len(found) - 1, _Reading(fold(text), flags), door))
    for _ in range(_ROUNDS):
        moved = [(at, reading) for at, reading, door in waiting if not reading.settles(door)]
        for at, reading, _door in waiting:
            found[at] = reading.normalised()
        waiting = [(*one, door) for one, door in zip(moved, doors([one[1].text for one in moved]), strict=True)]
    for at, reading, _door in waiting:
        found[at] = reading.stripped()
    return [form for form in found if form is not None]


class _Reading:
    """A text on its way to its normal form."""

    __slots__ = ("flags", "text")

    def __init__(self, text: str, flags: set[str]) -> None:
        self.text, self.flags = text, flags

    def settles(self, door: int) -> bool:
        """Do each act once; whether nothing was left to do. door: what might be found at first (see `quiet`)."""
        before, acted = self.text, False
        for number, act in enumerate(ACTS):
            if not (acted or door >> number & 1) or not act.gate(self.text):
                continue
            edits = act.edits(self.text)
            if edits:
                acted = True
                self.flags.update(edit.flag for edit in edits if edit.flag)
                self.text = _rewrite(self.text, edits)
        if acted or door >> BLANKS & 1:
            self.text = " ".join(self.text.split())
        return not acted and self.text == before

    def normalised(self) -> Normalised:
        return Normalised(self.text, _ordered(self.flags, self.text))

    def stripped(self) -> Normalised:
        return Normalised(_strip_to_words(self.text), _ordered(self.flags, self.text))


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
    if "<url>" in text and (links := text.count("<url>")) > 1:
        flags.add("xurls")
        if links > 3:
            flags.add("xlinks")
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
    """Only tokens and words of two or more letters, no letter three times in a row: no act finds anything here."""
    return " ".join(_RUN.sub(r"\1\1", _blanked(text)).split())


def _blanked(text: str) -> str:
    """`text` with a blank for each character that is in no token and in no word of two or more letters."""
    bare = _BARE.sub(lambda match: match[1] or " ", text)
    return _LONE.sub(lambda match: " " * len(match[0]), bare)


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
        blank = _blanked(self.text)
        tape = _Tape(blank, self.starts, self.ends)
        runs = [Edit(m.start(), m.end(), m[1] * 2, None) for m in _RUN.finditer(blank)]
        return tape.rewrite(runs).collapse()


def span_of(aligned: Aligned, start: int, end: int) -> tuple[int, int]:
    """The span of the original (code points) that became `aligned.text[start:end]`."""
    return min(aligned.starts[start:end]), max(aligned.ends[start:end])
