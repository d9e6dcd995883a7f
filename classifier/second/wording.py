"""The wording that the transformer reads: the first tier's plain form, with pictures called by their names.

A word piece of "a55h0le" means nothing to a model that has read books, so what `normalise` undoes is undone before.
An emoji is no word piece at all: its Unicode name is several.
"""

import re
import unicodedata

from classifier.normalise import Normalised

_PICTURES = re.compile("([\u2190-\u2bff\U0001f000-\U0001faff])\\1*")
_SKIN = "EMOJI MODIFIER FITZPATRICK"


def wording(read: Normalised) -> str:
    """The text to tokenise: that of `read`, a run of one picture written as its name, once."""
    return read.text if read.text.isascii() else " ".join(_PICTURES.sub(_named, read.text).split())


def _named(match: re.Match[str]) -> str:
    name = unicodedata.name(match[1], "")
    return " " if name.startswith(_SKIN) else f" {name.lower()} "
