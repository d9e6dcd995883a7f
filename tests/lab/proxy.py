"""A proxy in front of PostgreSQL that cuts connections in the middle of a COMMIT.

It reads as much of the protocol (version 3) as that needs: the kind and length of each message, the text of queries, and
which prepared statement takes a submission in. That one commits by itself, at the Sync that follows it.
"""

import random
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: closing sends a reset
WAYS = ("before", "with", "within", "after")
#: What a server says that is stopped at once, and the message that ends an answer of it.
_LAST_WORDS = b"SFATAL\0VFATAL\0C57P02\0Mterminating connection because of crash of another server process\0\0"
_FATAL = b"E" + struct.pack("!i", 4 + len(_LAST_WORDS)) + _LAST_WORDS
_READY = len(b"Z\0\0\0\5I")
_SUBMITS = re.compile(rb"comity\.submit(_many)?\(")  # of one, or of several together


class Proxy:
    """Listens on a port of 127.0.0.1 and hands on to a server's Unix socket.

    share: how many of the commits are cut. Cut `before` the server hears of it, `with` it, `within` its answer, which
    ends in the words of a server that is stopped, or `after` it was done and before the client hears so. cuts: how many
    there were, by what was being committed and in which way.
    """

    def __init__(self, server: Path, share: float, seed: int = 7, ways: Sequence[str] = WAYS) -> None:
        self._server, self.share, self._ways = server, share, ways
        self._dice = random.Random(seed)
        self.cuts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def url(self, direct: str) -> str:
        """The URL by which a role comes through here, made from the one by which it comes directly."""
        return (
            f"{direct.partition('?')[0].replace('@/', f'@127.0.0.1:{self.port}/')}?sslmode=disable&gssencmode=disable"
        )

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    @property
    def cut(self) -> int:
        """Connections cut so far."""
        return sum(self.cuts.values())

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(str(self._server))
            except OSError:
                _reset(client)
                continue
            _Through(client, server, self._choose).start()

    def _choose(self, what: str) -> str | None:
        """Whether and how to cut this commit."""
        with self._lock:
            if self._dice.random() >= self.share:
                return None
            way = self._ways[self.cut % len(self._ways)]  # in turn, so that even a few cuts are of every way
            self.cuts[what, way] += 1
            return way


class _Through:
    """One connection."""

    def __init__(self, client: socket.socket, server: socket.socket, choose: Callable[[str], str | None]) -> None:
        self._client, self._server, self._choose = client, server, choose
        self._withheld = threading.Event()  # answers are kept back: the client shall not hear of them
        self._torn = threading.Event()  # the next answer shall not come to its end
        self._left = threading.Event()  # the client hung up

    def start(self) -> None:
        """Hand on in both directions, in two threads."""
        for work in (self._there, self._back):
            threading.Thread(target=self._guard, args=(work,), daemon=True).start()

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except OSError:
            pass
        finally:
            self._cut()

    def _cut(self) -> None:
        for one in (self._client, self._server):
            _reset(one)

    def _there(self) -> None:
        submits: set[bytes] = set()  # names of prepared statements that take submissions in
        committing: str | None = None
        for kind, message in self._said():
            if kind == b"P":
                name, query = message[5:].split(b"\0")[:2]
                (submits.add if _SUBMITS.search(query) else submits.discard)(name)
                committing = "decision" if query.strip().upper() == b"COMMIT" else committing
            if kind == b"B" and message[5:].split(b"\0")[1] in submits:
                committing = "submission"
            if kind == b"Q" and message[5:].rstrip(b"\0").strip().upper() == b"COMMIT":
                committing = "decision"
            way = self._choose(committing) if committing and kind in (b"S", b"Q") else None
            if kind in (b"S", b"Q"):
                committing = None
            if way == "before":
                return
            if way in ("within", "after"):
                (self._torn if way == "within" else self._withheld).set()
            self._server.sendall(message)
            if way == "with":
                return

    def _back(self) -> None:
        while piece := self._server.recv(65536):
            if self._withheld.is_set():
                return  # an answer to the COMMIT: it is done, and nobody will know
            if self._torn.is_set():
                self._client.sendall(piece[:-_READY] + _FATAL)
                self._client.shutdown(socket.SHUT_WR)
                self._left.wait(10)
                return
            self._client.sendall(piece)

    def _said(self) -> Iterator[tuple[bytes, bytes]]:
        try:
            yield from _messages(self._client)
        finally:
            self._left.set()


def _messages(client: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    """What a client says, message by message, as (kind, whole message). Those of the start have no kind."""
    with client.makefile("rb") as stream:
        begun = False
        while head := stream.read(5 if begun else 4):
            if len(head) < (5 if begun else 4):
                return
            (length,) = struct.unpack("!i", head[-4:])
            message = head + stream.read(length - 4)
            yield (head[:1] if begun else b""), message
            begun = True


def _reset(one: socket.socket) -> None:
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    one.close()
