"""Ways to write a word so that a filter misses it: for training on, and for judging with."""

import re
from collections.abc import Callable, Collection
from random import Random

_WORD = re.compile(r"[A-Za-z]{3,}")
_VOWELS = "aeiou"
_DIGITS = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7"}
_CYRILLIC = str.maketrans("aceopxyi", "асеорхуі")


def _inner(word: str, random: Random, letters: str = "") -> int:
    """A position strictly inside `word`, at one of `letters` if there is one."""
    wanted = [at for at in range(1, len(word) - 1) if word[at].lower() in letters]
    return random.choice(wanted or range(1, len(word) - 1))


def star(word: str, random: Random) -> str:
    at = _inner(word, random, _VOWELS)
    return word[:at] + random.choice("***#%") + word[at + 1 :]


def stars(word: str, _: Random) -> str:
    return word[0] + "*" * (len(word) - 2) + word[-1]


def drop(word: str, random: Random) -> str:
    at = _inner(word, random, _VOWELS)
    return word[:at] + word[at + 1 :]


def swap(word: str, random: Random) -> str:
    at = _inner(word, random)
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def double(word: str, random: Random) -> str:
    at = _inner(word, random)
    return word[:at] + word[at] + word[at:]


def leet(word: str, random: Random) -> str:
    return "".join(random.choice(_DIGITS[c.lower()]) if c.lower() in _DIGITS else c for c in word)


def leet_once(word: str, random: Random) -> str:
    at = _inner(word, random, "aeiost")
    return word[:at] + random.choice(_DIGITS.get(word[at].lower(), word[at])) + word[at + 1 :]


def cut(word: str, random: Random) -> str:
    at = _inner(word, random)
    return word[:at] + random.choice(".-_ ") + word[at:]


def space(word: str, _: Random) -> str:
    return " ".join(word)


def dot(word: str, random: Random) -> str:
    return random.choice(".-_").join(word)


def stretch(word: str, random: Random) -> str:
    at = _inner(word, random, _VOWELS)
    return word[:at] + word[at] * random.randint(3, 6) + word[at + 1 :]


def hide(word: str, random: Random) -> str:
    at = _inner(word, random)
    return word[:at] + random.choice("\u200b\u200c\u2060\u00ad") + word[at:]


def widen(word: str, _: Random) -> str:
    return "".join(chr(ord(c) + 0xFEE0) for c in word)


def script(word: str, _: Random) -> str:
    return word.translate(_CYRILLIC)


_PLACES = {"q": "wa", "w": "qes", "e": "wrd", "r": "etf", "t": "ryg", "y": "tuh", "u": "yij", "i": "uok", "o": "ipl",
           "p": "ol", "a": "qsz", "s": "adw", "d": "sfe", "f": "dgr", "g": "fht", "h": "gjy", "j": "hku", "k": "jli",
           "l": "ko", "z": "xa", "x": "zcs", "c": "xvd", "v": "cbf", "b": "vng", "n": "bmh", "m": "nj"}  # fmt: skip


def keyboard(word: str, random: Random) -> str:
    at = _inner(word, random)
    return word[:at] + random.choice(_PLACES[word[at].lower()]) + word[at + 1 :]


WAYS: dict[str, Callable[[str, Random], str]] = {
    way.__name__: way
    for way in (
        star,
        stars,
        drop,
        swap,
        double,
        leet,
        leet_once,
        cut,
        space,
        dot,
        stretch,
        hide,
        widen,
        script,
        keyboard,
    )
}
"""Every way by name. A way takes an ASCII word of three letters or more."""

HELD_OUT = ("space", "script", "keyboard")
"""Ways that no training row is ever written in, so that judging shows what is understood and not what is known."""

LEARNED = ("star", "stars", "drop", "drop", "swap", "swap", "double", "leet", "leet_once", "cut", "cut")
"""The ways normalising cannot undo alone, so that training shows examples of them; the hardest twice as often."""

TEN = ("star", "drop", "swap", "double", "leet", "cut", "stretch", *HELD_OUT)
"""The kinds that the card counts; the other ways are variants of them."""


def disguise_to_learn(text: str, words: Collection[str], random: Random) -> str:
    """`text` disguised in one of the ways training may see. Raises ValueError if that way is held out."""
    way = random.choice(LEARNED)
    if way in HELD_OUT:
        raise ValueError(f"{way} is held out: nothing may learn from it")
    return disguise(text, words, way, random)


def words_in(text: str) -> list[str]:
    """The words of `text` that can be disguised, lower-case, each once, in order."""
    return list(dict.fromkeys(word.lower() for word in _WORD.findall(text)))


def disguise(text: str, words: Collection[str], way: str, random: Random) -> str:
    """`text` with each occurrence of `words` (lower-case) written in `way`."""
    write = WAYS[way]
    return _WORD.sub(lambda m: write(m[0], random) if m[0].lower() in words else m[0], text)
