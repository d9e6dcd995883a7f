"""Keeps the processes of one machine running: starts them in order, again when they end, and stops them in reverse.

One thread and one selector, so that no child is ever bound to the end of a helper thread. Written here rather than
taken from a library: circus brings a message broker and a web interface, honcho neither restarts nor orders, supervisor
reads an INI file, runs as a daemon of its own and keeps no records; each needs the orphan finder, the ordered stop and
the JSON lines on top, which are most of this module.
"""

import os
import selectors
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any

from service.embedded.errors import StartError
from service.embedded.journal import Journal, Lines
from service.embedded.process import Process, forget, spawn

EX_CONFIG, CANNOT_EXEC = 78, 126
_FIRST_PAUSE, _LONGEST_PAUSE, _STEADY, _PATIENCE = 0.1, 10.0, 30.0, 10.0  # seconds
_TRIES = 3  # of a process that something waits for
_GIVE_UP = 10  # ends in a row for which starting again is no remedy
_REMEMBERED = 20  # lines
_CHUNK = 65_536  # bytes
_LAST_CHUNKS = 64  # read of what an ended process left in its pipe
_ANSWER = 1_000_000  # bytes
_ONE_PRESS, _MINUTE = 0.5, 60.0  # seconds
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """Raised when a signal asks us to stop while something is being waited for."""


class GaveUp(StartError):
    """Raised when a process cannot run with these settings."""

    exit_code = EX_CONFIG


@dataclass
class Child:
    """A process with its present run, if any. `due`: when to start it again."""

    process: Process
    run: subprocess.Popen[bytes] | None = None
    pipe: int = -1
    lines: Lines = field(default_factory=Lines)
    last_words: deque[str] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    started: float = 0.0
    due: float | None = None
    starts: int = 0
    failures: int = 0
    hopeless: int = 0
    wanted: bool = True
    hurried: float | None = None
    warned: float | None = None

    @property
    def running(self) -> bool:
        return self.run is not None

    def words(self) -> str:
        return "\n".join(self.last_words)

    def send(self, number: int) -> None:
        if self.run is not None:
            with suppress(ProcessLookupError):
                self.run.send_signal(number)


class Supervisor:
    """Use as a context manager on the main thread: inside, SIGINT, SIGTERM and SIGHUP count as wishes to stop."""

    def __init__(self, records: Path, journal: Journal, first_pause: float = _FIRST_PAUSE) -> None:
        self._records = records
        self._journal = journal
        self._first_pause = first_pause
        self._selector = selectors.DefaultSelector()
        self._groups: list[list[Child]] = []
        self._before: dict[int, Any] = {}
        self._wished = -_ONE_PRESS
        self.wishes = 0  # to stop; the second one hurries

    def __enter__(self) -> "Supervisor":
        self._ear, self._mouth = socket.socketpair()
        for end in (self._ear, self._mouth):
            end.setblocking(False)
        self._selector.register(self._ear, selectors.EVENT_READ, self._hear)
        signal.set_wakeup_fd(self._mouth.fileno(), warn_on_full_buffer=False)
        for number in (*_STOPS, signal.SIGCHLD):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup means it
                self._before[number] = signal.signal(number, self._heard)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._selector.close()
        self._ear.close()
        self._mouth.close()

    def _heard(self, number: int, _frame: FrameType | None) -> None:
        if number not in _STOPS:
            return
        # One press may arrive twice, from the terminal and from a parent that passes it on.
        now = time.monotonic()
        if now - self._wished > _ONE_PRESS:
            self.wishes += 1
            self._wished = now

    def start(self, *processes: Process) -> None:
        """Start `processes` side by side; they stop before those started earlier."""
        group = [Child(process) for process in processes]
        self._groups.append(group)
        for child in group:
            self._start(child)

    def once(self, process: Process, question: bytes = b"", patient: bool = False) -> bytes:
        """Run `process` to its end with `question` (short) on its standard input; its standard output.

        Neither touches a log or a disk. Raises Interrupted (if `patient`, only at the second wish to stop), or the
        process's own StartError if it fails.
        """
        child = Child(process, wanted=False)
        group = [child]
        self._groups.append(group)
        answer = bytearray()
        with _pipe() as (asked, ask), _pipe() as (answered, answers):
            os.set_blocking(answered, False)
            ask.write(question)
            ask.close()
            self._selector.register(answered, selectors.EVENT_READ, partial(_collect, answered, answer))
            try:
                self._start(child, answers.fileno(), asked)
                self._until(lambda: not child.running, wishes=2 if patient else 1)
                _collect(answered, answer)
            finally:
                self._selector.unregister(answered)
        self._groups.remove(group)
        if child.failures:
            raise process.died(child.words())
        return bytes(answer)

    def wait(self, name: str, answers: Callable[[], bool], every: float = 0.02) -> None:
        """Go on until `answers()`. Raises Interrupted, or the StartError of process `name` if it keeps ending."""
        child = self._child(name)

        def ready() -> bool:
            if not child.running and child.hopeless:
                raise GaveUp(str(child.process.died(child.words())))
            if not child.running and child.starts >= _TRIES:
                raise child.process.died(child.words())
            return child.running and answers()

        self._until(ready, every)

    def run(self) -> None:
        """Keep everything running until a signal asks to stop. Raises GaveUp."""
        while not self.wishes:
            self.turn(_LONGEST_PAUSE)

    def stop(self) -> None:
        """Stop everything, the last started group first."""
        for child in self._children():
            child.wanted, child.due = False, None
        while self._groups:
            self._stop(self._groups[-1])
            self._groups.pop()

    def _until(self, done: Callable[[], bool], every: float = 0.1, wishes: int = 1) -> None:
        while not done():
            if self.wishes >= wishes:
                raise Interrupted
            self.turn(every)

    def turn(self, seconds: float) -> None:
        """Wait up to `seconds` for something to happen, then deal with all that did."""
        for key, _ in self._selector.select(self._pause(seconds)):
            key.data()
        for child in list(self._children()):
            self._reap(child)
            if child.due is not None and child.due <= time.monotonic():
                self._start(child)

    def _pause(self, seconds: float) -> float:
        due = [child.due for child in self._children() if child.due is not None]
        return max(0.0, min([seconds, *(moment - time.monotonic() for moment in due)]))

    def _hear(self) -> None:
        with suppress(BlockingIOError):
            while self._ear.recv(_CHUNK):
                pass

    def _children(self) -> Iterator[Child]:
        for group in self._groups:
            yield from group

    def _child(self, name: str) -> Child:
        return next(child for child in self._children() if child.process.name == name)

    def _start(self, child: Child, answers: int | None = None, stdin: int | None = None) -> None:
        child.due = None
        child.started = time.monotonic()
        child.starts += 1
        try:
            child.process.before(child.words())
            self._spawn(child, answers, stdin)
        except (OSError, StartError) as error:
            self._journal.event("could not start", "error", child=child.process.name, why=str(error))
            if not child.wanted:
                raise StartError(f"{child.process.name} could not be started: {error}") from error
            self._again(child)
            return
        self._journal.event("started", child=child.process.name, pid=child.run.pid if child.run else None)

    def _spawn(self, child: Child, answers: int | None, stdin: int | None) -> None:
        child.pipe, write = os.pipe()
        try:
            os.set_blocking(child.pipe, False)
            child.run = spawn(child.process, write, self._records, answers, stdin)
        except BaseException:
            os.close(child.pipe)
            child.pipe = -1
            raise
        finally:
            os.close(write)
        child.lines = Lines()
        self._selector.register(child.pipe, selectors.EVENT_READ, partial(self._read, child))

    def _read(self, child: Child) -> bool:
        """Pass on what there is, up to one chunk; False at the end."""
        if child.pipe == -1:
            return False
        try:
            chunk = os.read(child.pipe, _CHUNK)
        except BlockingIOError:
            return False
        if not chunk:
            # Its outputs are closed, but it may live: without this the selector would spin.
            self._forget_pipe(child)
            return False
        self._pass_on(child, child.lines.feed(chunk))
        return True

    def _pass_on(self, child: Child, lines: list[bytes]) -> None:
        for line in lines:
            said = self._journal.line(child.process.name, line)
            child.last_words.append(said[:500])
            if (why := child.process.warn(said)) is not None:
                self._warn(child, why)

    def _warn(self, child: Child, why: str) -> None:
        """Once a minute: whoever has no room says so with every line."""
        now = time.monotonic()
        if child.warned is None or now - child.warned > _MINUTE:
            child.warned = now
            self._journal.event("in trouble", "error", child=child.process.name, why=why)

    def _forget_pipe(self, child: Child) -> None:
        if child.pipe != -1:
            self._selector.unregister(child.pipe)
            os.close(child.pipe)
            child.pipe = -1

    def _reap(self, child: Child) -> None:
        if child.run is None or (status := child.run.poll()) is None:
            return
        # Granian's and Celery's own children hold the port and the queue if their parent was killed.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.run.pid, signal.SIGKILL)
        for _ in range(_LAST_CHUNKS):
            if not self._read(child):
                break
        self._pass_on(child, child.lines.end())
        self._forget_pipe(child)
        child.run = None
        forget(child.process.name, self._records)
        self._ended(child, status)

    def _ended(self, child: Child, status: int) -> None:
        lived = round(time.monotonic() - child.started, 2)
        facts: dict[str, Any] = {"child": child.process.name, "status": status, "lived": lived}
        if not child.wanted:
            child.failures += status != 0
            self._journal.event("ended", **facts)
            return
        if lived >= _STEADY:
            child.failures = 0
        child.hopeless = child.hopeless + 1 if status in (EX_CONFIG, CANNOT_EXEC) else 0
        why = str(child.process.died(child.words()))
        self._again(child)
        pause = round(child.due - time.monotonic(), 2) if child.due is not None else None
        self._journal.event("ended, starting again", "warning", **facts, why=why, pause=pause)
        if child.hopeless >= _GIVE_UP:
            raise GaveUp(f"{child.process.name} cannot run with these settings: {why}")

    def _again(self, child: Child) -> None:
        child.due = time.monotonic() + min(_LONGEST_PAUSE, self._first_pause * 2 ** min(child.failures, 10))
        child.failures += 1

    def _stop(self, group: list[Child]) -> None:
        began = time.monotonic()
        for child in group:
            child.send(child.process.stop_signal)
            child.send(signal.SIGCONT)
        while any(child.running for child in group):
            self.turn(0.1)
            for child in group:
                self._press(child, began)

    def _press(self, child: Child, began: float) -> None:
        now = time.monotonic()
        if child.hurried is None and (self.wishes > 1 or now - began > child.process.grace):
            child.hurried = now
            child.send(child.process.hurry_signal)
        if child.hurried is not None and now - child.hurried > _PATIENCE:
            child.send(signal.SIGKILL)


@contextmanager
def _pipe() -> Iterator[tuple[int, IO[bytes]]]:
    """A pipe: where to read, and a file to write."""
    read, write = os.pipe()
    try:
        with open(write, "wb", buffering=0) as file:
            yield read, file
    finally:
        os.close(read)


def _collect(source: int, answer: bytearray) -> None:
    """Add what can be read; what goes beyond any sensible answer is dropped."""
    with suppress(BlockingIOError):
        while chunk := os.read(source, _CHUNK):
            answer += chunk[: _ANSWER - len(answer)]
