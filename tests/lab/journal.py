"""The history that clients write: one JSON line for each answer, or for none."""

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

OK, FAIL, UNKNOWN = "ok", "fail", "unknown"


@dataclass(frozen=True, slots=True)
class Entry:
    """What one request came to.

    what: submit, review (a moderator's decision), read (of a public thread), trespass (on another site's comment).
    outcome: ok, fail (it took no effect, the answer says) or unknown. began, ended: seconds since the epoch.
    status: of the answer; 0 without one. key: the text's number of a submission, the note of a review.
    comment: its id, where the answer or the request names one. shown: the comments that a read showed.
    version: that a review led to. leak: whether the answer held an address.
    """

    what: str
    outcome: str
    began: float
    ended: float
    status: int
    key: str = ""
    comment: str = ""
    shown: list[str] = field(default_factory=list)
    version: int = 0
    action: str = ""
    leak: bool = False


def written(entry: Entry) -> str:
    """An entry as its line."""
    return json.dumps({name: value for name, value in asdict(entry).items() if value not in ("", [], False)}) + "\n"


def read(line: str) -> Entry:
    """The entry of a line."""
    return Entry(**{"version": 0, "status": 0, **json.loads(line)})


class Journal:
    """A file of entries; any number of threads may write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file = path.open("w", encoding="utf-8")
        self.taken: list[str] = []  # comments whose submission was answered ok, in order of the answers
        self.accepted: set[str] = set()  # the same, each once
        self.counts: dict[tuple[str, str], int] = {}  # entries by what and outcome
        self.statuses: dict[int, int] = {}

    def note(self, entry: Entry) -> None:
        """Write one down."""
        self._add(entry, written(entry))

    def copy(self, line: str) -> None:
        """Take over a line that another process wrote."""
        self._add(read(line), line)

    def _add(self, entry: Entry, line: str) -> None:
        with self._lock:
            self._file.write(line)
            kind = (entry.what, entry.outcome)
            self.counts[kind] = self.counts.get(kind, 0) + 1
            self.statuses[entry.status] = self.statuses.get(entry.status, 0) + 1
            if kind == ("submit", OK):
                self.taken.append(entry.comment)
                self.accepted.add(entry.comment)

    def entries(self) -> Iterator[Entry]:
        """All of them, from the file."""
        self._file.flush()
        with self.path.open(encoding="utf-8") as file:
            yield from map(read, file)

    def count(self, what: str, outcome: str) -> int:
        """How many entries of this kind there are."""
        return self.counts.get((what, outcome), 0)

    def close(self) -> None:
        """Write no more."""
        self._file.close()
