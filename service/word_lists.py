"""Files of words or domains, one a line, on their way into a list that policies can name.

Every line is held to the rules of the API (`service.web.policy_schemas`). A million lines take some seconds: plain
words are seen to be fine at a glance, and each is read once as the classifier reads it.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from service.domain.matching import LONGEST_PHRASE, Lexicon, domain, words
from service.evidence import normal
from service.web.policy_schemas import NewList

ENTRIES_MOST = 1_000_000
BATCH = 5_000
#: Words, or one word with a star, that the schema can only take; the classifier's reading is looked at all the same.
_SIMPLE = re.compile(r"[a-zA-Z]{1,90}(?:\*|(?: [a-zA-Z]{1,30}){1,2})?")
_NOTE = re.compile(r"(?:^|\s)#.*")


class TooMany(Exception):
    """Raised when a file has more entries than a list may."""


@dataclass(slots=True)
class Import:
    """What became of a file. refused: reason to how many lines; examples: reason to the first such line."""

    lexicon: Lexicon
    doubles: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    examples: dict[str, int] = field(default_factory=dict)

    def refuse(self, line: int, why: str) -> None:
        """Count a line that is not taken."""
        self.refused[why] += 1
        self.examples.setdefault(why, line)


def read(lines: Iterable[str], kind: str, step: Callable[[int], None]) -> Import:
    """The list in a file's lines; `step` is told how many lines were read since it was last called. Raises TooMany."""
    found: dict[str, None] = {}
    report = Import(Lexicon.of((), str))
    numbered = _entries(lines)
    while batch := list(islice(numbered, BATCH)):
        for entry in _taken(batch, kind, report):
            before = len(found)
            found[entry] = None
            report.doubles += len(found) == before
        if len(found) > ENTRIES_MOST:
            raise TooMany
        step(len(batch))
    report.lexicon = Lexicon.of_domains(found) if kind == "domains" else Lexicon.of(found, str)
    return report


def _entries(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, start=1):
        entry = (_NOTE.sub("", line) if "#" in line else line).strip()
        if entry:
            yield number, entry


def _taken(batch: Sequence[tuple[int, str]], kind: str, report: Import) -> Iterator[str]:
    """The entries of a batch as a lexicon keeps them; the others are counted."""
    if kind == "domains":
        batch = [(line, entry.removeprefix("*.").removeprefix(".")) for line, entry in batch]
        yield from (domain(entry) for _, entry in _checked(batch, kind, report))
        return
    doubtful = []
    for line, entry in batch:
        read_as = _glance(entry) if _SIMPLE.fullmatch(entry) else None
        if read_as is None:
            doubtful.append((line, entry))
        else:
            yield read_as
    for _, entry in _checked(doubtful, kind, report):
        yield " ".join(words(normal(entry.removesuffix("*")))) + entry[-1:] * entry.endswith("*")


def _glance(entry: str) -> str | None:
    """A simple entry as a lexicon keeps it; None when somebody must look closer."""
    star = entry.endswith("*")
    read_as = normal(entry.removesuffix("*"))
    if "<" in read_as or "@" in read_as:
        return None
    found = words(read_as)
    if not found or len(found) > LONGEST_PHRASE or (star and len(found) > 1):
        return None
    return " ".join(found) + "*" * star


def _checked(batch: Sequence[tuple[int, str]], kind: str, report: Import) -> Iterator[tuple[int, str]]:
    """Those that the API would take."""
    if not batch:
        return
    wrong: Any = NewList().validate({kind: [entry for _, entry in batch]}).get(kind, {})
    for at, (line, entry) in enumerate(batch):
        if at in wrong:
            report.refuse(line, str(wrong[at][0]))
        else:
            yield line, entry
