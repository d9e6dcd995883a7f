"""Finding words, phrases, patterns and link domains in a comment, in time that grows with its length alone.

Words and domains are kept in tries (marisa-trie), which hold a million entries in a few megabytes and are asked once a
word. Patterns run in RE2, which never backtracks. All of it reads text as the classifier does, so that a disguise which
does not pass the one does not pass the other.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import marisa_trie
import re2

from service.domain.facts import SCOPES, Text
from service.domain.names import dns_name

LONGEST_PHRASE = 8  # words
MOST_PATTERNS = 100  # of one rule: so many states of all together fit into SET_MEMORY
SET_MEMORY = 1 << 26
PATTERN_MEMORY = 1 << 16  # bytes for one pattern: RE2 refuses what needs more
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
#: A word, letters and digits; a letter of a script that puts no spaces between words counts as one.
_WORD = re.compile(rf"[^\W_{_UNSPACED}]+|[{_UNSPACED}]")
_ASCII_WORD = re.compile(r"[a-zA-Z0-9]+")
#: As up to release 0.5.0, where an underscore was a letter: sketches are made so, and imported lists hold such words.
_TOKEN = re.compile(rf"[^\W{_UNSPACED}]+|[{_UNSPACED}]")
_ASCII_TOKEN = re.compile(r"\w+", re.ASCII)

Normalise = Callable[[str], str]


class PatternError(ValueError):
    """Raised for a pattern that RE2 does not take; the message says why."""


def words(text: str) -> list[str]:
    """The words of a normalised text, in order."""
    return (_ASCII_WORD if text.isascii() else _WORD).findall(text)


def tokens(text: str) -> list[str]:
    """The words of a normalised text, an underscore taken for a letter."""
    return (_ASCII_TOKEN if text.isascii() else _TOKEN).findall(text)


def readings(text: Text) -> list[list[str]]:
    """The words of a text in every way in which it is read: as the classifier does, and as it stands.

    What the classifier takes for a name, a link or a disguise (`@casino`, `$casino`) is a word to people.
    """
    found = [words(text.normal)]
    if (held := _as_written(text.plain)) != found[0]:
        found.append(held)
    if "_" in text.normal:
        found.append(tokens(text.normal))
    return found


def _as_written(plain: str) -> list[str]:
    if plain.isascii():
        return words(plain.lower())
    return [word.casefold() for word in words(plain)]  # a mark that folds to a letter must not join two


@dataclass(frozen=True, slots=True)
class Found:
    """What a matcher found first. kind: "word", "pattern" or "domain". entry: of the rule. scope: where."""

    kind: str
    entry: str
    scope: str

    def as_record(self) -> dict[str, str]:
        """As a decision remembers it."""
        return {"kind": self.kind, "entry": self.entry, "scope": self.scope}


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Words and phrases, or domains: whether a text holds one of them.

    phrases: entries as their words joined by one space. heads: first words of those with several. stems: beginnings
    that stand for every word that begins so.
    """

    phrases: marisa_trie.Trie
    heads: marisa_trie.Trie
    stems: marisa_trie.Trie

    @classmethod
    def of(cls, entries: Iterable[str], normalise: Normalise) -> "Lexicon":
        """Of words and phrases as people write them; `casino*` stands for every word that begins so."""
        phrases, heads, stems = [], [], []
        for entry in entries:
            stem = entry.endswith("*")
            read = normalise(entry.rstrip("*"))
            parts = words(read)
            if stem and len(parts) > 1 and len(tokens(read)) == 1:
                parts = tokens(read)
            if not parts or len(parts) > LONGEST_PHRASE:
                continue
            if stem and len(parts) == 1:
                stems.append(parts[0])
                continue
            phrases.append(" ".join(parts))
            if len(parts) > 1:
                heads.append(parts[0])
        return cls(marisa_trie.Trie(phrases), marisa_trie.Trie(heads), marisa_trie.Trie(stems))

    @classmethod
    def of_domains(cls, entries: Iterable[str]) -> "Lexicon":
        """Of domains; each stands for itself and all below it."""
        nothing = marisa_trie.Trie()
        return cls(marisa_trie.Trie([domain(entry) for entry in entries]), nothing, nothing)

    @classmethod
    def load(cls, stored: bytes) -> "Lexicon":
        """What `dump` gave."""
        tries = []
        at = 0
        for _ in range(3):
            size = int.from_bytes(stored[at : at + 8], "big")
            tries.append(marisa_trie.Trie())
            tries[-1].frombytes(stored[at + 8 : at + 8 + size])
            at += 8 + size
        return cls(*tries)

    def dump(self) -> bytes:
        """All of it as bytes, for `load`."""
        parts = [trie.tobytes() for trie in (self.phrases, self.heads, self.stems)]
        return b"".join(len(part).to_bytes(8, "big") + part for part in parts)

    def __len__(self) -> int:
        return len(self.phrases) + len(self.stems)

    def find(self, found: Sequence[str]) -> str | None:
        """The first entry in a text of these words; None when it holds none."""
        phrases, heads, stems = self.phrases, self.heads, self.stems
        several, begun = len(heads) > 0, len(stems) > 0
        for at, word in enumerate(found):
            if word in phrases:
                return word
            if several and word in heads and (phrase := self._phrase(found, at)):
                return phrase
            if begun and (stem := stems.prefixes(word)):
                return f"{stem[-1]}*"
        return None

    def _phrase(self, found: Sequence[str], at: int) -> str | None:
        for end in range(min(len(found), at + LONGEST_PHRASE), at + 1, -1):
            if (phrase := " ".join(found[at:end])) in self.phrases:
                return phrase
        return None

    def find_host(self, host: str) -> str | None:
        """The domain that `host` is, or lies below; None when there is none."""
        parts = host.split(".")
        return next((name for at in range(len(parts)) if (name := ".".join(parts[at:])) in self.phrases), None)


def domain(entry: str) -> str:
    """A domain as hosts are compared: lower case, in ASCII as browsers write it (UTS 46), without dots or `*.` at its
    ends.
    """
    name = entry.strip().lower().removeprefix("*").strip(".")
    return name if name.isascii() else dns_name(name).strip(".")


@cache
def _options(memory: int) -> Any:
    options = re2.Options()
    options.max_mem = memory
    options.case_sensitive = False
    options.log_errors = False
    return options


def compile_pattern(pattern: str) -> Any:
    """A pattern as RE2 runs it, upper and lower case alike. Raises PatternError."""
    try:
        return re2.compile(pattern, _options(PATTERN_MEMORY))
    except re2.error as error:
        said = error.args[0] if error.args else "not a pattern"
        raise PatternError(said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)) from None


class Patterns:
    """Many patterns asked at once."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """Raises PatternError."""
        self.patterns = tuple(patterns)
        self._set = re2.Set.SearchSet(_options(SET_MEMORY))
        for pattern in self.patterns:
            compile_pattern(pattern)
            self._set.Add(pattern)
        if self.patterns:
            self._set.Compile()

    def find(self, text: str) -> str | None:
        """The first of the patterns that `text` holds, in their order."""
        found = self._set.Match(text) if self.patterns else None
        return self.patterns[min(found)] if found else None

    def impossible(self) -> list[str]:
        """Those that can match no text: an empty class, or something required before the start or behind the end."""
        return [one for one in self.patterns if compile_pattern(one).programsize <= 1 or _beyond_ends(one)]


def _beyond_ends(pattern: str) -> bool:
    """Whether plain characters stand before a start or behind an end: `word^`, `$word`."""
    plain = re.sub(r"\\.|\[[^\]]*\]|\((?:\?[a-zA-Z]*:)?|\)", "", pattern)
    return re.search(r"[\w ]\^", plain) is not None or re.search(r"\$[\w ](?![*?{])", plain) is not None


@dataclass(frozen=True, slots=True)
class Matcher:
    """What one rule looks for, and where. lexicons, hosts: the rule's own entries and those of imported lists."""

    scopes: tuple[str, ...] = SCOPES
    lexicons: tuple[Lexicon, ...] = ()
    domains: tuple[Lexicon, ...] = ()
    patterns: Patterns = field(default_factory=lambda: Patterns(()))

    def find(self, texts: Mapping[str, Text], hosts: Sequence[str]) -> Found | None:
        """The first thing found; words go before patterns, patterns before domains."""
        for scope in self.scopes:
            text = texts.get(scope)
            if text is not None and (found := self._in(text)):
                return Found(*found, scope)
        for host in hosts:
            for lexicon in self.domains:
                if entry := lexicon.find_host(host):
                    return Found("domain", entry, "link")
        return None

    def _in(self, text: Text) -> tuple[str, str] | None:
        if self.lexicons:
            for held in readings(text):
                for lexicon in self.lexicons:
                    if entry := lexicon.find(held):
                        return "word", entry
        entry = self.patterns.find(text.plain) or self.patterns.find(text.normal)
        return ("pattern", entry) if entry else None
