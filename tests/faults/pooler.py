"""What may stand before PostgreSQL: a pooler that keeps `options` back, a network that hangs up."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

_ENCRYPT = (80877103, 80877104)  # SSLRequest, GSSENCRequest


@contextlib.contextmanager
def without_options(place: str) -> Iterator[int]:
    """A port on which the server at the Unix socket `place` answers, as long as the block lasts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, place), daemon=True).start()
        yield listener.getsockname()[1]


def _accept(listener: socket.socket, place: str) -> None:
    with contextlib.suppress(OSError):
        while True:
            threading.Thread(target=_serve, args=(listener.accept()[0], place), daemon=True).start()


def _serve(client: socket.socket, place: str) -> None:
    with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError, struct.error):
        server.connect(place)
        server.sendall(_startup(client))
        back = threading.Thread(target=_pump, args=(server, client), daemon=True)
        back.start()
        _pump(client, server)
        back.join()


def _startup(client: socket.socket, *, keep: bool = False) -> bytes:
    """The client's first message, without its options unless they are to be kept; encryption is declined."""
    while True:
        length, code = struct.unpack("!ii", client.recv(8, socket.MSG_WAITALL))
        if code not in _ENCRYPT:
            break
        client.sendall(b"N")
    words = client.recv(length - 8, socket.MSG_WAITALL).split(b"\0")
    pairs = [(name, value) for name, value in zip(words[::2], words[1::2], strict=False) if name]
    pairs = [(name, value) for name, value in pairs if keep or name != b"options"]
    body = b"".join(name + b"\0" + value + b"\0" for name, value in pairs) + b"\0"
    return struct.pack("!ii", len(body) + 8, code) + body


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class Cutter:
    """A port before the server that, once it is `armed`, hangs up in place of the next answer to a submission: what was
    asked has been done by then, and nobody hears of it.
    """

    def __init__(self, place: str) -> None:
        self._place, self.armed, self.cuts = place, False, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError, struct.error):
            server.connect(self._place)
            server.sendall(_startup(client, keep=True))
            cutting = threading.Event()
            threading.Thread(target=self._back, args=(server, client, cutting), daemon=True).start()
            while data := client.recv(65536):
                if self.armed and b"leaves no trace" in data:
                    self.armed = False
                    cutting.set()
                server.sendall(data)

    def _back(self, server: socket.socket, client: socket.socket, cutting: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if cutting.is_set():
                    self.cuts += 1
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(data)
