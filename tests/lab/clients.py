"""Clients that write a history: visitors, readers, moderators and a stranger. None sends anything twice unnoticed."""

import itertools
import random
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from tests.lab import wire
from tests.lab.journal import FAIL, OK, UNKNOWN, Entry, Journal
from tests.world import canary
from tools.texts import harmless

ADDRESS = "leak.example"  # in every e-mail address of a test, and nowhere else
TIMEOUT = 15.0  # seconds that a client waits for an answer
PAGES = 5  # threads that are commented on

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Answer:
    """status: 0 when no whole answer came; it is then unknown what happened."""

    status: int
    body: Any
    began: float
    ended: float
    leak: bool

    @classmethod
    def of(cls, reply: wire.Reply, began: float) -> "Answer":
        """One that has just come."""
        return cls(reply.status, reply.content, began, time.time(), ADDRESS.encode() in reply.body)

    @classmethod
    def none(cls, began: float) -> "Answer":
        """There was none."""
        return cls(0, None, began, time.time(), False)

    def entry(self, number: int) -> Entry:
        """For the history: the answer to a submission."""
        taken = self.body["id"] if self.outcome == OK else ""
        return Entry("submit", self.outcome, self.began, self.ended, self.status, str(number), taken, leak=self.leak)

    @property
    def outcome(self) -> str:
        """ok, fail or unknown. 409 with "in-progress" is no answer yet."""
        if 200 <= self.status < 300:
            return OK
        progress = isinstance(self.body, dict) and "in-progress" in str(self.body.get("type"))
        return UNKNOWN if self.status in (0, 408) or self.status >= 500 or progress else FAIL


class Line:
    """One thread's connection. urls: web processes beside each other; one that is away is passed over, as a proxy does."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = urls
        self._turn = random.randrange(1000)
        self._socket: socket.socket | None = None
        self._to = ""

    def ask(self, method: str, path: str, token: str | None = None, body: Any = None, key: str | None = None) -> Answer:
        """Send a request once; only one that could not even be handed over is handed to another process."""
        began = time.time()
        try:
            connection = self._open()
            connection.sendall(wire.request(urlsplit(self._to).netloc, method, path, body, token, key))
            found = _read(connection)
        except OSError:
            self.close()
            return Answer.none(began)
        if found.ends:
            self.close()
        return Answer.of(found, began)

    def close(self) -> None:
        """Hang up; the next request goes to the next process."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _open(self) -> socket.socket:
        """A connection to a process that takes it. Raises OSError when none does."""
        if self._socket is not None and self._to in self._urls:
            return self._socket
        self.close()
        urls = list(self._urls)
        for attempt in range(len(urls)):
            self._turn += 1
            url = urls[self._turn % len(urls)]
            try:
                self._socket, self._to = connect(url), url
            except OSError:
                if attempt + 1 == len(urls):
                    raise
                continue
            return self._socket
        raise OSError("there is no web process")


def connect(url: str) -> socket.socket:
    """A connection to a web process. Raises OSError."""
    parts = urlsplit(url)
    made = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=TIMEOUT)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def _read(connection: socket.socket) -> wire.Reply:
    """Wait for a whole answer. Raises OSError when none comes."""
    come = bytearray()
    while (found := wire.reply(come)) is None:
        more = connection.recv(1 << 16)
        if not more:
            raise ConnectionError("it hung up")
        come += more
    return found


@dataclass
class People:
    """Whom the service knows, and where it is."""

    urls: list[str]
    key: str  # of the site `blog`
    moderators: list[str]  # tokens, of that site
    stranger: str  # a moderator's token of another site
    admin: str  # an administrator's token


def submission(number: int) -> dict[str, Any]:
    """The comment of this number. Another address each time it is made."""
    return {
        "thread": {"key": f"page-{number % PAGES}"},
        "name": f"Ann {number % 97}",
        "email": canary(),
        "body": harmless(number),
    }


@dataclass
class Crowd:
    """Clients at work in threads of their own, from `with` on until its end.

    most: comments that are submitted at most. rate: comments a second, as many as they can without one. patience:
    seconds for which a visitor whose outcome is unknown sends the same again, with the same key.
    """

    people: People
    journal: Journal
    visitors: int = 3
    readers: int = 1
    moderators: int = 1
    most: int = 10**9
    rate: float | None = None
    patience: float = 60.0
    wants: Callable[[int], dict[str, Any]] = submission
    sent: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)
    _errors: list[BaseException] = field(default_factory=list)
    _began: float = 0.0

    def __enter__(self) -> "Crowd":
        self._began = time.monotonic()
        for work, count in (
            (self._visit, self.visitors),
            (self._read, self.readers),
            (self._moderate, self.moderators),
        ):
            for number in range(count):
                thread = threading.Thread(target=self._guard, args=(work, number), name=f"{work.__name__} {number}")
                self._threads.append(thread)
                thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Let everybody end what they are doing. Raises what went wrong in a client."""
        self._stop.set()
        self.finish()

    def finish(self) -> None:
        """Wait for the visitors, who submit `most`, then for the others."""
        for thread in self._threads[: self.visitors]:
            thread.join()
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    @property
    def busy(self) -> bool:
        """Whether visitors still submit."""
        return any(thread.is_alive() for thread in self._threads[: self.visitors])

    def _guard(self, work: Callable[[Line, random.Random], None], number: int) -> None:
        line = Line(self.people.urls)
        try:
            work(line, random.Random(number))
        except BaseException as error:
            self._errors.append(error)
            self._stop.set()
        finally:
            line.close()

    def _visit(self, line: Line, _dice: random.Random) -> None:
        while not self._stop.is_set():
            with self._lock:
                if self.sent >= self.most:
                    return
                self.sent += 1
                due = self._began + self.sent / self.rate if self.rate else 0.0
            if due and self._stop.wait(max(0.0, due - time.monotonic())):
                return
            self.submit(line, next(_numbers))

    def submit(self, line: Line, number: int) -> None:
        """Submit a comment until its outcome is known; every fifth one twice, as a double click does."""
        wanted, until = self.wants(number), time.monotonic() + self.patience
        while (answer := self._send(line, number, wanted)).outcome == UNKNOWN and time.monotonic() < until:
            time.sleep(0.05)
        if answer.outcome == OK and number % 5 == 0:
            self._send(line, number, wanted)

    def _send(self, line: Line, number: int, wanted: dict[str, Any]) -> Answer:
        answer = line.ask("POST", "/v1/comments", self.people.key, wanted, key=f"lab-{number}")
        self.journal.note(answer.entry(number))
        return answer

    def _read(self, line: Line, dice: random.Random) -> None:
        while not self._stop.wait(0.02):
            page = dice.randrange(PAGES)
            answer = line.ask("GET", f"/v1/comments?site=blog&thread_key=page-{page}&order=newest&limit=100")
            shown = [one["id"] for one in answer.body["comments"]] if answer.outcome == OK else []
            self.journal.note(Entry("read", answer.outcome, answer.began, answer.ended, answer.status, shown=shown,
                                    leak=answer.leak))  # fmt: skip

    def _moderate(self, line: Line, dice: random.Random) -> None:
        token = self.people.moderators[dice.randrange(len(self.people.moderators))]
        while not self._stop.wait(0.03):
            if not self.journal.taken:
                continue
            comment = self.journal.taken[-1 - dice.randrange(min(50, len(self.journal.taken)))]
            if dice.random() < 0.05:
                trespass(line, self.people, self.journal, comment)
                continue
            seen = line.ask("GET", f"/v1/comments/{comment}/review", token)
            if seen.outcome == OK:
                action = dice.choice(("publish", "reject", "flag"))
                review(line, token, self.journal, comment, seen.body["version"], action)


def review(line: Line, token: str, journal: Journal, comment: str, version: int, action: str) -> Answer:
    """A moderator's decision on the version given. Its note is its own, so that the record tells it from all others."""
    note = str(uuid4())
    wanted = {"action": action, "version": version, "note": note}
    answer = line.ask("POST", f"/v1/comments/{comment}/decisions", token, wanted)
    led_to = answer.body["version"] if answer.outcome == OK else 0
    journal.note(Entry("review", answer.outcome, answer.began, answer.ended, answer.status, note, comment,
                       version=led_to, action=action, leak=answer.leak))  # fmt: skip
    return answer


def trespass(line: Line, people: People, journal: Journal, comment: str) -> None:
    """Another site's moderator looks at a comment, and decides on it."""
    for method, path, body in (
        ("GET", f"/v1/comments/{comment}/review", None),
        ("POST", f"/v1/comments/{comment}/decisions", {"action": "reject", "version": 1}),
        ("POST", f"/v1/comments/{comment}/decisions", {"action": "reject", "version": 2}),
    ):
        answer = line.ask(method, path, people.stranger, body)
        outcome = FAIL if answer.status == 404 else answer.outcome if answer.outcome == UNKNOWN else OK
        journal.note(
            Entry("trespass", outcome, answer.began, answer.ended, answer.status, "", comment, leak=answer.leak)
        )
