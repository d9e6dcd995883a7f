"""A small client that keeps connections busy and costs little: one thread, epoll, requests made beforehand.

It reads as much of HTTP/1.1 as our servers speak: a status, a Content-Length, connections that stay open.
"""

import select
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

_STALL = 20.0  # seconds without any answer


class LoadError(Exception):
    """Raised when a server does not answer as it should; the message shows the beginning of what it said."""


@dataclass(slots=True)
class Run:
    """What came back. times: seconds from each request to its answer."""

    seconds: float = 0.0
    times: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        """How many answers came."""
        return len(self.times)


@dataclass(slots=True)
class _Line:
    """One connection with the answer it waits for."""

    socket: socket.socket
    sent: float = 0.0
    answer: bytes = b""


def request(method: str, path: str, port: int, *fields: str, body: bytes = b"") -> bytes:
    """The bytes of one request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *fields]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def drive(port: int, requests: Iterator[bytes], connections: int, *, seconds: float = 1e9, status: int = 200) -> Run:
    """Send requests over so many connections, the next one when an answer came, until time or requests are over.

    Raises LoadError for an answer of another status.
    """
    run = Run()
    lines = {line.socket.fileno(): line for line in (_connect(port) for _ in range(connections))}
    poll = select.epoll()
    began = time.perf_counter()
    busy = sum(_send(line, requests, poll, began) for line in lines.values())
    while busy:
        ready = poll.poll(_STALL)
        if not ready:
            raise LoadError(f"no answer within {_STALL:.0f} s")
        now = time.perf_counter()
        for number, _ in ready:
            line = lines[number]
            if not _receive(line, status, run):
                continue
            run.times.append(now - line.sent)
            if now - began >= seconds or not _send(line, requests, None, now):
                busy -= 1
    run.seconds = time.perf_counter() - began
    poll.close()
    for line in lines.values():
        line.socket.close()
    return run


def fetch(port: int, raw: bytes) -> tuple[int, bytes, bytes]:
    """Status, head and body of one answer."""
    line = _connect(port)
    try:
        line.socket.sendall(raw)
        while (size := _size(line.answer)) is None or len(line.answer) < size:
            piece = line.socket.recv(1 << 18)
            if not piece:
                raise LoadError("the server hung up")
            line.answer += piece
        head, _, body = line.answer.partition(b"\r\n\r\n")
        return int(head[9:12]), head, body
    finally:
        line.socket.close()


def _connect(port: int) -> _Line:
    made = socket.create_connection(("127.0.0.1", port), timeout=_STALL)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return _Line(made)


def _send(line: _Line, requests: Iterator[bytes], poll: select.epoll | None, now: float) -> bool:
    """Send the next request; False when there is none."""
    raw = next(requests, None)
    if raw is None:
        return False
    if poll is not None:
        poll.register(line.socket.fileno(), select.EPOLLIN)
    line.sent, line.answer = now, b""
    line.socket.sendall(raw)
    return True


def _receive(line: _Line, status: int, run: Run) -> bool:
    """Read what is there; True when the answer is whole."""
    piece = line.socket.recv(1 << 18)
    if not piece:
        raise LoadError("the server hung up")
    line.answer = line.answer + piece if line.answer else piece
    size = _size(line.answer)
    if size is None or len(line.answer) < size:
        return False
    found = int(line.answer[9:12])
    if found != status:
        raise LoadError(f"{status} expected: {line.answer[:600]!r}")
    run.statuses[found] += 1
    return True


def _size(answer: bytes) -> int | None:
    """Bytes of the whole answer that begins so; None while its head is not there."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return None
    if answer[9:12] in (b"304", b"204"):
        return end + 4
    head = answer[:end].lower()
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        raise LoadError(f"an answer without Content-Length: {answer[:300]!r}")
    return end + 4 + int(head[at + 17 :].partition(b"\r\n")[0])
