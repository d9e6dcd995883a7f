"""The wording that the transformer reads: the first tier's plain form, with pictures called by their names.

A word piece of "a55h0le" means nothing to a model that has read books, so what `normalise` undoes is undone before.
An emoji is no word piece at all: its Unicode name is several.
"""

import re
import unicodedata
from collections.abc import Sequence

from classifier.normalise import Normalised

LONGEST = 96
"""Word pieces of a text that are read, with the two that stand around it; of a longer text, its head and its tail."""

_PICTURES = re.compile("([\u2190-\u2bff\U0001f000-\U0001faff])\\1*")
_SKIN = "EMOJI MODIFIER FITZPATRICK"


def wording(read: Normalised) -> str:
    """The text to tokenise: that of `read`, a run of one picture written as its name, once."""
    return read.text if read.text.isascii() else " ".join(_PICTURES.sub(_named, read.text).split())


def shortened(ids: Sequence[int], longest: int = LONGEST) -> list[int]:
    """Token ids, cut in the middle to `longest`; the first and last id stay."""
    if len(ids) <= longest:
        return list(ids)
    tail = longest // 3
    return [*ids[: longest - tail], *ids[-tail:]]


def _named(match: re.Match[str]) -> str:
    name = unicodedata.name(match[1], "")
    return " " if name.startswith(_SKIN) else f" {name.lower()} "
