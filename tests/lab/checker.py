"""The history checker: what clients wrote down against what the database, the logs and the receiver hold, by name."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests import history
from tests.lab.clients import ADDRESS
from tests.lab.journal import FAIL, OK, UNKNOWN, Entry

BODY = b"I liked the part about"  # how each text of `tools.texts` begins
GONE_WITHIN = 1.0  # seconds after a moderator's answer for which memory may still show what was taken away
UNANSWERED = 15.0  # seconds after a decision began, where nobody was told when it ended


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken invariant, and one place where it is."""

    invariant: str
    detail: str


@dataclass(frozen=True, slots=True)
class Decision:
    """A row of the record. at: seconds since the epoch when its transaction began."""

    comment: str
    seq: int
    to: str
    note: str
    version: int
    at: float


@dataclass(frozen=True)
class Facts:
    """All that is compared.

    numbers: comments in the database by the number in their text. submits: entries by that number, in order.
    delivered: what the receiver of webhooks wrote down, event id and bytes; told: the events it was to get.
    """

    entries: Sequence[Entry]
    rows: Callable[..., list[Any]]
    files: Sequence[Path]
    broker: bytes
    numbers: Mapping[str, list[str]]
    submits: Mapping[str, list[Entry]]
    decisions: Mapping[str, list[Decision]]
    delivered: Sequence[tuple[str, bytes]] = ()
    told: frozenset[str] = frozenset()

    @classmethod
    def gather(
        cls, entries: Iterable[Entry], rows: Callable[..., list[Any]], files: Sequence[Path], broker: bytes, **more: Any
    ) -> "Facts":
        """rows: asks the database as its owner. files: logs. broker: all that it holds."""
        kept = list(entries)
        numbers: dict[str, list[str]] = defaultdict(list)
        for number, comment in rows(r"SELECT substring(body FROM '\((\d+)\)\.$'), id::text FROM comity.comment"):
            numbers[number].append(comment)
        submits: dict[str, list[Entry]] = defaultdict(list)
        for entry in kept:
            if entry.what == "submit":
                submits[entry.key].append(entry)
        decisions: dict[str, list[Decision]] = defaultdict(list)
        for row in rows(
            "SELECT comment_id::text, seq, to_state, coalesce(note, ''), version, extract(epoch FROM at)::float8 "
            "FROM comity.decision ORDER BY comment_id, seq"
        ):
            decisions[row[0]].append(Decision(*row))
        return cls(kept, rows, files, broker, numbers, submits, decisions, **more)

    def of(self, what: str, outcome: str | None = None) -> Iterator[Entry]:
        """Entries of a kind."""
        return (one for one in self.entries if one.what == what and outcome in (None, one.outcome))


Check = Callable[[Facts], Iterable[str]]
_CHECKS: dict[str, Check] = {}


def invariant(name: str) -> Callable[[Check], Check]:
    """Name a check; it says where the invariant is broken."""

    def keep(check: Check) -> Check:
        _CHECKS[name] = check
        return check

    return keep


def names() -> list[str]:
    """Every invariant there is, the clients' first."""
    return [*_CHECKS, *history.INVARIANTS]


def check(facts: Facts) -> list[Finding]:
    """All that is broken."""
    found = [Finding(name, detail) for name, one in _CHECKS.items() for detail in one(facts)]
    for name, places in history.broken(facts.rows).items():
        found.append(Finding(name, f"{len(places)} times, at {places[:3]}"))
    return found


@invariant("every ok exists once")
def _ok_once(facts: Facts) -> Iterator[str]:
    for number, entries in facts.submits.items():
        there = facts.numbers.get(number, [])
        for one in entries:
            if one.outcome == OK and there.count(one.comment) != 1:
                yield f"text {number}: comment {one.comment} was accepted and is there {there.count(one.comment)} times"


@invariant("every unknown exists 0 or 1 times")
def _unknown_at_most_once(facts: Facts) -> Iterator[str]:
    for number, entries in facts.submits.items():
        if all(one.outcome == UNKNOWN for one in entries) and len(facts.numbers.get(number, [])) > 1:
            yield f"text {number} is there {len(facts.numbers[number])} times"


@invariant("what was refused does not exist")
def _refused_nowhere(facts: Facts) -> Iterator[str]:
    for number, entries in facts.submits.items():
        if all(one.outcome == FAIL for one in entries) and facts.numbers.get(number):
            yield f"text {number} was refused ({entries[0].status}) and is there"


@invariant("one comment per key")
def _one_per_key(facts: Facts) -> Iterator[str]:
    for number, entries in facts.submits.items():
        answered = {one.comment for one in entries if one.outcome == OK}
        ids = answered | set(facts.numbers.get(number, []))
        if answered and len(ids) > 1:
            yield f"key lab-{number} has {len(ids)} comments"
        for before, after in pairwise(entries):
            if before.outcome == OK and after.outcome == FAIL:
                yield f"key lab-{number} was accepted, then refused with {after.status}"


@invariant("no comment that nobody sent")
def _sent(facts: Facts) -> Iterator[str]:
    for number in facts.numbers.keys() - facts.submits.keys():
        yield f"text {number} is there, and no client sent it"


@invariant("each moderator's ok once in the record, and no 409")
def _reviews(facts: Facts) -> Iterator[str]:
    noted = {one.note: one for many in facts.decisions.values() for one in many if one.note}
    count = Counter(one.note for many in facts.decisions.values() for one in many if one.note)
    states = {"publish": "published", "reject": "rejected", "flag": "flagged"}
    for one in facts.of("review"):
        times = count[one.key]
        if one.outcome == OK and times != 1:
            yield f"an answered decision on {one.comment} is in the record {times} times"
        elif one.outcome == OK:
            row = noted[one.key]
            if (row.comment, row.version, row.to) != (one.comment, one.version, states[one.action]):
                yield f"a decision on {one.comment} was answered as another than the record has"
        elif times > (one.outcome == UNKNOWN):
            yield f"a decision on {one.comment} was answered {one.status} and is in the record {times} times"


@invariant("no public read outside the approved span")
def _reads(facts: Facts) -> Iterator[str]:
    answered = {one.key: one.ended for one in facts.of("review", OK)}
    spans = {comment: list(_spans(many, answered)) for comment, many in facts.decisions.items()}
    for one in facts.of("read", OK):
        for comment in one.shown:
            if not any(begin <= one.ended and one.began <= end for begin, end in spans.get(comment, ())):
                yield f"comment {comment} was shown at {one.began:.3f} and was not published then"


def _spans(decisions: Sequence[Decision], answered: Mapping[str, float]) -> Iterator[tuple[float, float]]:
    """When a comment could be seen: from the start of what published it, until a second after it was taken away."""
    begin = None
    for one in decisions:
        if one.to == "published":
            begin = one.at if begin is None else begin
        elif begin is not None:
            yield begin, answered.get(one.note, one.at + UNANSWERED) + GONE_WITHIN
            begin = None
    if begin is not None:
        yield begin, float("inf")


@invariant("no look across sites")
def _across(facts: Facts) -> Iterator[str]:
    for one in facts.of("trespass", OK):
        yield f"another site's moderator got {one.status} for comment {one.comment}"


@invariant("no answer 500")
def _no_500(facts: Facts) -> Iterator[str]:
    for one in facts.entries:
        if one.status in (500, 502, 504):
            yield f"a {one.what} was answered {one.status}"
    for path in facts.files:
        said = path.read_text(errors="replace").splitlines() if path.exists() else []
        yield from (f"{path.name} says: {line}" for line in said if '"event": "request_failed"' in line)


@invariant("no address outside the vault")
def _addresses(facts: Facts) -> Iterator[str]:
    yield from (f"in the answer to a {one.what}" for one in facts.entries if one.leak)
    yield from _in_files(facts, ADDRESS.encode())
    for (table,) in facts.rows(
        "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables "
        "WHERE table_schema IN ('comity', 'contacts') AND table_type = 'BASE TABLE'"
    ):
        if facts.rows(f"SELECT FROM {table} t WHERE t::text LIKE '%{ADDRESS}%' LIMIT 1"):
            yield f"in table {table}"


@invariant("no body in a log")
def _bodies(facts: Facts) -> Iterator[str]:
    yield from _in_files(facts, BODY)


def _in_files(facts: Facts, needle: bytes) -> Iterator[str]:
    yield from (f"in {path.name}" for path in facts.files if path.exists() and needle in path.read_bytes())
    if needle in facts.broker:
        yield "in the broker"


@invariant("the receiver saw each event with identical bytes")
def _receiver(facts: Facts) -> Iterator[str]:
    bodies: dict[str, set[bytes]] = defaultdict(set)
    for event, body in facts.delivered:
        bodies[event].add(body)
    yield from (f"event {event} came with {len(many)} contents" for event, many in bodies.items() if len(many) > 1)
    yield from (f"event {event} never came" for event in sorted(facts.told - bodies.keys())[:5])
    yield from (f"event {event} is none that was to be told" for event in sorted(bodies.keys() - facts.told)[:5])
