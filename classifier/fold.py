"""Fold the many ways to write one letter into one.

A comment may spell a word in full-width, mathematical, circled or accented letters, or hide
marks of no width inside it. `fold` maps every code point to plain lower-case text, one code
point at a time, so that the aligned form of a text (see `normalise`) follows the same table.
Compatibility forms are those of Unicode normalisation form NFKD (UAX #15).
"""

import re
import unicodedata

_HIDDEN_RANGES = (
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x180B, 0x180E), (0x200B, 0x200F),
    (0x202A, 0x202E), (0x2060, 0x206F), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB),
    (0xE0000, 0xE0FFF),
)  # fmt: skip
_MARK_RANGES = ((0x0300, 0x036F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F))
_BLANKS = (0x115F, 0x1160, 0x2800, 0x3164, 0xFFA0)

_LOOKALIKES = {
    "‘": "'", "’": "'", "‚": "'", "‛": "'", "′": "'", "´": "'", "ʼ": "'", "“": '"', "”": '"', "„": '"',
    "‟": '"', "«": '"', "»": '"', "″": '"', "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "―": "-",
    "−": "-", "•": "*", "∗": "*", "✱": "*", "＊": "*", "ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th",
    "ħ": "h", "ı": "i", "ß": "ss", "æ": "ae", "œ": "oe", "ŋ": "n", "ƒ": "f", "ɑ": "a", "ɐ": "a", "ɡ": "g",
    "ɩ": "i", "ʏ": "y", "ʀ": "r", "ɴ": "n", "ɪ": "i", "ʜ": "h", "ʟ": "l", "ɢ": "g", "ʙ": "b", "ꜰ": "f",
    "ꜱ": "s", "ǫ": "q", "ᴀ": "a", "ᴄ": "c", "ᴅ": "d", "ᴇ": "e", "ᴊ": "j", "ᴋ": "k", "ᴍ": "m", "ᴏ": "o",
    "ᴘ": "p", "ᴛ": "t", "ᴜ": "u", "ᴠ": "v", "ᴡ": "w", "ᴢ": "z",
}  # fmt: skip

_STYLED_CLASS = (
    "\uff21-\uff3a\uff41-\uff5a\u249c-\u24e9\u1d00-\u1d2b\U0001d400-\U0001d7ff\U0001f110-\U0001f149"
    "\U0001f150-\U0001f169\U0001f170-\U0001f189\ua730-\ua731"
)


def _char_class(ranges: tuple[tuple[int, int], ...]) -> str:
    return "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in ranges)


STYLED = re.compile(f"[{_STYLED_CLASS}]{{2}}")
"""Two letters in a row from a decorative alphabet."""

HIDDEN = re.compile(f"(?<=[A-Za-z])[{_char_class(_HIDDEN_RANGES)}]+(?=[A-Za-z])")
"""Marks of no width between two letters, where no honest writer puts them."""

STACKED = re.compile(f"[{_char_class(_MARK_RANGES)}]{{2}}")
"""Two combining marks on one letter."""


def _within(code: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(low <= code <= high for low, high in ranges)


def _fold_one(code: int) -> str:
    """The plain form of one code point: "", one, or at most four characters. ASCII white space stays."""
    char = chr(code)
    if char in "\t\n\v\f\r":
        return char
    if char.isspace() or code in _BLANKS or 0xD800 <= code <= 0xDFFF or unicodedata.category(char) == "Cc":
        return " "
    if _within(code, _HIDDEN_RANGES) or _within(code, _MARK_RANGES):
        return ""
    if 0x1F150 <= code <= 0x1F169:
        return chr(ord("a") + code - 0x1F150)
    if 0x1F170 <= code <= 0x1F189:
        return chr(ord("a") + code - 0x1F170)
    lower = char.lower()
    lower = lower if len(lower) == 1 else char
    if lower in _LOOKALIKES:
        return _LOOKALIKES[lower]
    parts = unicodedata.normalize("NFKD", lower)
    lowered = "".join(c for c in parts if not _within(ord(c), _MARK_RANGES)).lower()
    plain = "".join(_LOOKALIKES.get(c, c) for c in lowered)
    if plain.isascii():
        return plain if 1 <= len(plain) <= 4 else lower
    return plain if len(plain) == 1 else lower


class _Table(dict[int, str]):
    """A translate table that fills itself: Unicode is large, a site's comments use little of it."""

    def __missing__(self, code: int) -> str:
        folded = _fold_one(code)
        if len(self) < 20_000:
            self[code] = folded
        return folded


TABLE = _Table({code: _fold_one(code) for code in range(128)})
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f]")


def fold(text: str) -> str:
    """`text` in plain lower-case letters; spaces are kept as they are counted, not collapsed.

    Any `str` is accepted, also lone surrogates and NUL (both become a space).
    """
    if text.isascii() and not _CONTROL.search(text):
        return text.lower()
    return text.translate(TABLE)
