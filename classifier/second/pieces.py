"""Words to word pieces, as BERT does it (Devlin et al. 2019): the longest known piece first, then what follows it.

Of BERT's own cleaning only what the plain form of a text leaves to do is here: signs stand alone, and so do
ideographs.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

UNKNOWN, BEGIN, END = "[UNK]", "[CLS]", "[SEP]"
_LONGEST_WORD = 100
_PLAIN = re.compile(r"[a-z0-9]+|[^a-z0-9\s]")
_REMEMBERED = 1 << 16


class Pieces:
    """A vocabulary of word pieces. words: all pieces, by number; those that go on in a word begin with `##`.

    Raises ValueError when there is none for the beginning, the end or the unknown.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self._number = {word: number for number, word in enumerate(words)}
        if missing := [word for word in (UNKNOWN, BEGIN, END) if word not in self._number]:
            raise ValueError(f"the vocabulary lacks {', '.join(missing)}")
        self._unknown, self._begin, self._end = (self._number[word] for word in (UNKNOWN, BEGIN, END))
        self.of_word = lru_cache(_REMEMBERED)(self._of_word)

    def encode(self, text: str, longest: int) -> list[int]:
        """The numbers of the pieces of `text`, in plain form, between begin and end.

        At most `longest`: of a longer text its head and, a third of it, its tail.
        """
        found: list[int] = []
        for word in _PLAIN.findall(text) if text.isascii() else _words(text):
            found += self.of_word(word)
        if len(found) > longest - 2:
            tail = longest // 3 - 1
            found = found[: longest - 2 - tail] + found[-tail:]
        return [self._begin, *found, self._end]

    def _of_word(self, word: str) -> tuple[int, ...]:
        if len(word) > _LONGEST_WORD:
            return (self._unknown,)
        found: list[int] = []
        start = 0
        while start < len(word):
            end = len(word)
            while (number := self._number.get(("##" if start else "") + word[start:end])) is None:
                end -= 1
                if end == start:
                    return (self._unknown,)
            found.append(number)
            start = end
        return tuple(found)


def _words(text: str) -> Iterator[str]:
    word: list[str] = []
    for char in unicodedata.normalize("NFD", text):
        kind = unicodedata.category(char)
        alone = _alone(char, kind)
        if (alone or char.isspace()) and word:
            yield "".join(word)
            word = []
        if alone:
            yield char
        elif not char.isspace() and kind != "Mn" and kind[0] != "C" and char != "\ufffd":
            word.append(char.lower())
    if word:
        yield "".join(word)


def _alone(char: str, kind: str) -> bool:
    """Whether a character is a word by itself: a sign, or an ideograph."""
    code = ord(char)
    if code < 128:
        return not char.isalnum() and not char.isspace() and kind[0] != "C"
    return (
        kind[0] == "P"
        or 0x3400 <= code <= 0x4DBF
        or 0x4E00 <= code <= 0x9FFF
        or 0xF900 <= code <= 0xFAFF
        or 0x20000 <= code <= 0x2CEAF
        or 0x2F800 <= code <= 0x2FA1F
    )
