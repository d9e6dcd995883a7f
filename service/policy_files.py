"""Policies as YAML files: read strictly, written back, every fault with its line.

YAML is read by the core schema of version 1.2 (`on`, `yes` and `12:30` are text), without what makes one text mean
another: aliases, anchors, tags, merge keys, doubled keys. `service.web.policy_schemas` says what a policy may hold.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from service import policing
from service.domain.matching import Lexicon
from service.domain.policies import UnknownList
from service.messages import flat, step
from service.web.policy_schemas import PolicyDocument

FILE_MOST = 1024 * 1024  # bytes, as the API takes
MAX_DEPTH = 10
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
_WHOLE = re.compile(r"[-+]?[0-9]+")
_OTHER_WHOLE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_BROKEN = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_CONTROL = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, or doubtful, with a file. line: from 1. place: a JSON Pointer, or "" for the file."""

    line: int
    place: str
    text: str

    def show(self, name: str) -> str:
        """`FILE:LINE: /place: what to change`."""
        return f"{name}:{self.line}: {self.place}: {self.text}" if self.place else f"{name}:{self.line}: {self.text}"


class Faulty(Exception):
    """Raised when a file holds no policy; `faults` says all that is wrong, by line."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(f"{len(faults)} faults")
        self.faults = sorted(faults, key=lambda fault: fault.line)


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A checked policy with the lines that its parts stand on. lines: by JSON Pointer."""

    document: Mapping[str, Any]
    lines: Mapping[str, int]

    def fault(self, place: str, text: str) -> Fault:
        """A fault at this place; on the line of what is nearest around it, if it has none of its own."""
        return Fault(_line(self.lines, place), place, text)

    def unknown_list(self, error: UnknownList) -> Fault:
        """The fault of a policy that names a list its site does not have."""
        for at, rule in enumerate(self.document.get("rules", ())):
            names = rule.get("lists", ())
            if error.name in names:
                place = f"/rules/{at}/lists/{names.index(error.name)}"
                return self.fault(place, f"the site has no list {error.name!r}: import it first")
        return self.fault("/rules", str(error))

    def rule_line(self, title: str) -> int:
        """The line of the first rule of this title."""
        for at, rule in enumerate(self.document.get("rules", ())):
            own = f"{rule['rule']}: {rule['name']}" if rule.get("name") else rule["rule"]
            if own == title:
                return _line(self.lines, f"/rules/{at}")
        return 1


def read(path: Path) -> PolicyFile:
    """The policy in a file. Raises Faulty, OSError."""
    with path.open("rb") as file:
        raw = file.read(FILE_MOST + 1)
    if len(raw) > FILE_MOST:
        raise Faulty(
            [Fault(1, "", f"has more than {FILE_MOST:,} bytes: import long lists with `comity policy import`")]
        )
    return parse(raw)


def parse(raw: bytes) -> PolicyFile:
    """The policy in the bytes of a file. Raises Faulty."""
    reader = _Reader(_events(_text(raw)))
    document = reader.document()
    file = PolicyFile(document, reader.lines)
    if wrong := [file.fault(place, _with_hint(place, text, reader)) for place, text in _messages(document)]:
        raise Faulty(wrong)
    checked = PolicyFile(PolicyDocument().load(document), reader.lines)
    if wrong := [file.fault(one.place, one.text) for one in policing.contradictions(checked.document)]:
        raise Faulty(wrong)
    return checked


def write(document: Mapping[str, Any]) -> str:
    """A policy's document as a file that `read` takes."""
    written: str = yaml.dump(
        dict(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=110
    )
    return written


def stand_in(_name: str) -> tuple[str, Lexicon]:
    """In place of a list that cannot be asked for: it holds one word that nobody writes."""
    return "words", Lexicon.of(["comitystandsinforalist"], str)


def _text(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise Faulty([Fault(line, "", "is not UTF-8: save the file as UTF-8")]) from None
    if found := _CONTROL.search(text):
        line, name = text[: found.start()].count("\n") + 1, f"U+{ord(found[0]):04X}"
        raise Faulty(
            [
                Fault(
                    line,
                    "",
                    f"holds the control character {name}: take it out, or write it as an escape in double quotes",
                )
            ]
        )
    return text


def _events(text: str) -> Iterator[yaml.Event]:
    try:
        yield from yaml.parse(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise Faulty([_syntax(error)]) from None
    except RecursionError:
        raise Faulty([Fault(1, "", "is nested too deep: write a flatter one")]) from None


def _syntax(error: yaml.MarkedYAMLError) -> Fault:
    """What the parser said, as a sentence that says what to change."""
    said, around = str(error.problem or ""), str(error.context or "")
    here = error.problem_mark or error.context_mark
    line = 1 if here is None else here.line + 1
    if error.context_mark is not None and "end" in said and ("flow" in around or "quoted" in around):
        what = "quote" if "quoted" in around else "bracket"
        return Fault(error.context_mark.line + 1, "", f"the {what} that opens here is not closed")
    if error.context_mark is not None and "could not find expected ':'" in said:
        line = error.context_mark.line + 1
    for sign, text in _SYNTAX:
        if sign in said:
            return Fault(line, "", text)
    return Fault(line, "", f"is not YAML: {said or around}")


_SYNTAX = (
    ("'\\t'", "has a tab where spaces belong: indent with spaces"),
    ("could not find expected ':'", "is not YAML: a colon is missing after a key, or a text needs quotes"),
    ("mapping values are not allowed", "has a colon in a text, or a wrong indent: put the text in quotes, or align it"),
    ("expected <block end>", "is not aligned with what stands above: indent both alike"),
)


@dataclass(slots=True)
class _Reader:
    """Makes values of YAML's events. lines: where each stands. plain: places of texts that were written as numbers."""

    events: Iterator[yaml.Event]
    lines: dict[str, int] = field(default_factory=dict)
    unquoted: set[str] = field(default_factory=set)

    def document(self) -> Any:
        """The only document of the stream."""
        self._next()
        started = self._next()
        if isinstance(started, yaml.StreamEndEvent):
            raise Faulty([Fault(1, "", "is empty: a policy is a mapping with rules")])
        if started.version or started.tags:
            self._refuse(started, "", "begins with a line of %: leave it out")
        self.lines[""] = started.start_mark.line + 1
        value = self._value(self._next(), "", 0)
        self._next()
        after = self._next()
        if not isinstance(after, yaml.StreamEndEvent):
            self._refuse(after, "", "a second document begins here: keep one policy in a file")
        return value

    def _next(self) -> Any:
        return next(self.events)

    def _value(self, event: Any, place: str, depth: int) -> Any:
        self.lines.setdefault(place, event.start_mark.line + 1)
        self._check(event, place)
        if depth > MAX_DEPTH:
            self._refuse(event, place, f"is nested more than {MAX_DEPTH} levels deep: write a flatter one")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(place, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(place, depth)
        return self._scalar(event, place)

    def _check(self, event: Any, place: str) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._refuse(event, place, f"*{event.anchor} is an alias: write out what it stands for")
        if event.anchor is not None:
            self._refuse(event, place, f"&{event.anchor} is an anchor: leave it out, aliases are not taken")
        if event.tag is not None:
            self._refuse(event, place, f"{event.tag} is a tag: leave it out")

    def _mapping(self, place: str, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(event, place)
            inner = f"{place}/{step(key)}"
            if key in found:
                first = self.lines[inner]
                self._refuse(event, inner, f"stands here a second time (first on line {first}): keep one")
            self.lines[inner] = event.start_mark.line + 1
            found[key] = self._value(self._next(), inner, depth + 1)
        return found

    def _key(self, event: Any, place: str) -> str:
        self._check(event, place)
        if not isinstance(event, yaml.ScalarEvent):
            self._refuse(event, place, "has a list or mapping as a key: a key is a word")
        if event.value == "<<" and event.style is None:
            self._refuse(event, place, "<< is a merge key: write out what it stands for")
        key = self._scalar(event, place)
        if not isinstance(key, str):
            self._refuse(event, place, f"the key {event.value} is no text: put it in quotes")
        return str(event.value)

    def _sequence(self, place: str, depth: int) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            found.append(self._value(event, f"{place}/{len(found)}", depth + 1))
        return found

    def _scalar(self, event: Any, place: str) -> Any:
        text: str = event.value
        if event.style is not None:
            return text
        if _NO_NUMBER.fullmatch(text):
            self._refuse(event, place, f"{text} is no number that a policy can hold: write one")
        if (_WHOLE.fullmatch(text) or _BROKEN.fullmatch(text)) and len(text) > 30:
            self._refuse(event, place, "is a number of too many digits: put it in quotes if it is text")
        value = _plain(text)
        if not isinstance(value, str):
            self.unquoted.add(place)
        return value

    def _refuse(self, event: Any, place: str, text: str) -> None:
        raise Faulty([Fault(event.start_mark.line + 1, place, text)])


def _plain(text: str) -> Any:
    """A plain scalar by the core schema."""
    if _NULL.fullmatch(text):
        return None
    if _BOOLEAN.fullmatch(text):
        return text.lower() == "true"
    if _WHOLE.fullmatch(text):
        return int(text)
    if _OTHER_WHOLE.fullmatch(text):
        return int(text, 0)
    return float(text) if _BROKEN.fullmatch(text) else text


def _messages(document: Any) -> list[tuple[str, str]]:
    if not isinstance(document, Mapping):
        return [("", "must be a mapping with rules, and examples if you like")]
    return list(flat(PolicyDocument().validate(document)))


def _with_hint(place: str, text: str, reader: _Reader) -> str:
    return f"{text}: put it in quotes" if text == "must be text" and place in reader.unquoted else text


def _line(lines: Mapping[str, int], place: str) -> int:
    while place and place not in lines:
        place = place.rpartition("/")[0]
    return lines.get(place, 1)


class _Dumper(yaml.SafeDumper):  # type: ignore[misc] # yaml has no types
    """Writes so that readers of YAML 1.1 and 1.2 read the same: what either takes for no text is quoted."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:  # noqa: ARG002 - lists stand in
        return super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - never one
        return True


for _kind, _pattern, _firsts in (
    ("tag:yaml.org,2002:int", _OTHER_WHOLE, "0"),
    ("tag:yaml.org,2002:int", _WHOLE, "-+0123456789"),
    ("tag:yaml.org,2002:float", _BROKEN, "-+.0123456789"),
):
    _Dumper.add_implicit_resolver(_kind, re.compile(rf"(?:{_pattern.pattern})\Z"), list(_firsts))
