"""Submissions by schedule, more than threads beside moderators and readers could send: a process of its own.

The schedule waits for nobody: what finds no free connection in time is not offered, and counted as that. The history goes
to the campaign's journal, line by line. A submission begins when it is due, so that waiting for the client's own
connections counts as waiting for the service.
"""

import json
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TextIO

from tests.faults.house import ROOT
from tests.lab import wire
from tests.lab.clients import TIMEOUT, Answer, connect, submission
from tests.lab.journal import OK, Journal, written
from tests.world import canary

FIRST = 10_000_000  # number of the first comment, beyond those of all other clients
LATE = 1.0  # seconds after which what was due is not offered any more
AUTHORS = 500  # who take turns: limits remember each author for a minute, which would hide what else grows
LINES = 64  # connections: one that waits for an answer sends nothing else


@dataclass(frozen=True, slots=True)
class Order:
    """What to send: where to, as which site, how many submissions a second, for how many seconds."""

    url: str
    key: str
    rate: float
    seconds: float

    @property
    def count(self) -> int:
        """How many submissions that is."""
        return round(self.rate * self.seconds)


@contextmanager
def flooding(order: Order, journal: Journal) -> Iterator[subprocess.Popen[str]]:
    """A flood that begins, writes into the journal, and is over at the end. Raises what went wrong with it."""
    words = [sys.executable, "-m", "tests.lab.flood", json.dumps(asdict(order))]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        reader = threading.Thread(target=_listen, args=(process.stdout, journal), name="flood")
        reader.start()
        try:
            yield process
        except BaseException:
            process.kill()
            raise
        finally:
            reader.join()
    assert process.returncode == 0, f"the flood ended with {process.returncode}"


def _listen(lines: Iterable[str], journal: Journal) -> None:
    for line in lines:
        journal.copy(line)


@dataclass(slots=True, eq=False)
class _Pipe:
    """A connection, and what waits on it: the comment's number, when it was due (since the epoch), whether sent before."""

    socket: socket.socket
    number: int = 0
    due: float = 0.0
    again: bool = False
    come: bytearray = field(default_factory=bytearray)


class Flood:
    """Sends as ordered, and writes the history to `out`."""

    def __init__(self, order: Order, out: TextIO) -> None:
        self._order, self._out = order, out
        self._host = order.url.removeprefix("http://")
        self._authors = [canary() for _ in range(AUTHORS)]
        self._ready = selectors.DefaultSelector()
        self._free: deque[_Pipe] = deque()
        self._busy: set[_Pipe] = set()
        self._twice: deque[int] = deque()  # accepted, to be sent once more, as a double click does
        for _ in range(LINES):
            self._open()

    def run(self) -> None:
        """Until all is sent and answered."""
        began, came, count = time.monotonic(), time.time(), 0
        while count < self._order.count or self._twice or self._busy:
            now = time.monotonic() - began
            while count < self._order.count and (due := count / self._order.rate) <= now:
                if not self._free and now - due < LATE:
                    break
                if self._free:
                    self._send(FIRST + count, came + due, again=False)
                count += 1
            while self._twice and self._free:
                self._send(self._twice.popleft(), came + now, again=True)
            self._hear(max(0.001, min(count / self._order.rate - now, 0.1)))
        self._out.flush()

    def _open(self) -> None:
        pipe = _Pipe(connect(self._order.url))
        self._ready.register(pipe.socket, selectors.EVENT_READ, pipe)
        self._free.append(pipe)

    def _send(self, number: int, due: float, *, again: bool) -> None:
        pipe = self._free.popleft()
        pipe.number, pipe.due, pipe.again = number, due, again
        self._busy.add(pipe)
        wanted = {**submission(number), "email": self._authors[number % AUTHORS]}
        asked = wire.request(self._host, "POST", "/v1/comments", wanted, self._order.key, f"lab-{number}")
        try:
            pipe.socket.sendall(asked)
        except OSError:
            self._lose(pipe)

    def _hear(self, seconds: float) -> None:
        """Take in the answers that have come, or come within so many seconds."""
        for key, _ in self._ready.select(seconds):
            pipe: _Pipe = key.data
            try:
                more = pipe.socket.recv(1 << 16)
                pipe.come += more
                answer = wire.reply(pipe.come)
            except OSError:
                more, answer = b"", None
            if answer is not None:
                self._answered(pipe, answer)
            elif not more:
                self._lose(pipe)
        late = time.time() - TIMEOUT
        for pipe in [one for one in self._busy if one.due < late]:
            self._lose(pipe)

    def _answered(self, pipe: _Pipe, reply: wire.Reply) -> None:
        answer = Answer.of(reply, pipe.due)
        self._out.write(written(answer.entry(pipe.number)))
        if answer.outcome == OK and pipe.number % 5 == 0 and not pipe.again:
            self._twice.append(pipe.number)
        self._busy.discard(pipe)
        pipe.come.clear()
        if reply.ends:
            self._close(pipe)
        else:
            self._free.append(pipe)

    def _lose(self, pipe: _Pipe) -> None:
        """No answer will come, if one was waited for; another connection takes its place."""
        if pipe in self._busy:
            self._out.write(written(Answer.none(pipe.due).entry(pipe.number)))
            self._busy.discard(pipe)
        else:
            self._free.remove(pipe)
        self._close(pipe)

    def _close(self, pipe: _Pipe) -> None:
        self._ready.unregister(pipe.socket)
        pipe.socket.close()
        self._open()


if __name__ == "__main__":
    Flood(Order(**json.loads(sys.argv[1])), sys.stdout).run()
