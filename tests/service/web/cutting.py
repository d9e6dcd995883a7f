"""A way to the database that can be cut in the moment of a COMMIT."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg


class Cutter:
    """Passes on what a client and PostgreSQL say to each other, until it is told to cut.

    cut: "before": what the client says next does not arrive; "after": it does, and the answer does not come back.
    """

    def __init__(self, url: str) -> None:
        self._target = psycopg.conninfo.conninfo_to_dict(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.cut: str | None = None
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Connection parameters that lead through here."""
        port = self._listener.getsockname()[1]
        return psycopg.conninfo.make_conninfo(**{**self._target, "host": "127.0.0.1", "port": port})  # type: ignore[arg-type]

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = self._connect()
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=(one, other, one is client), daemon=True).start()

    def _connect(self) -> socket.socket:
        host, port = str(self._target["host"]), self._target.get("port") or 5432
        if not host.startswith("/"):
            return socket.create_connection((host, int(port)))
        made = socket.socket(socket.AF_UNIX)
        made.connect(f"{host}/.s.PGSQL.{port}")
        return made

    def _pass(self, source: socket.socket, target: socket.socket, upwards: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                if self.cut == "before" or (self.cut == "after" and not upwards):
                    self.cuts += 1
                    break
                target.sendall(piece)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def cutter(url: str) -> Iterator[Cutter]:
    """A Cutter before the database of `url`."""
    made = Cutter(url)
    try:
        yield made
    finally:
        made.close()
