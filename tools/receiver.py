"""A small receiver of webhooks for trials and tests: checks the signature, writes down what came, answers as told.

One JSON line a request goes to the history, and to the disk before the answer goes out: what a sender was told to have
delivered is in the file, whoever is killed.
"""

import base64
import hashlib
import hmac
import json
import os
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import click

TOLERANCE = 300  # seconds that the sender's clock may differ
_MOST = 1024 * 1024


def verdict(secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: float) -> str:
    """What a receiver makes of a request: good, unsigned, stale or forged. `headers`: names in lower case."""
    given = [headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")]
    event_id, timestamp, signatures = given
    if not all(given) or not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        return "unsigned"
    if abs(now - int(timestamp)) > TOLERANCE:
        return "stale"
    signed = f"{event_id}.{timestamp}.".encode() + body
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        expected = b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256"))
        if any(hmac.compare_digest(expected, one.encode()) for one in signatures.split(" ")):
            return "good"
    return "forged"


def _told(body: bytes) -> dict[str, Any]:
    """Type, seq and comment of a message; None for what it does not say."""
    message: Any = None
    with suppress(ValueError):
        message = json.loads(body)
    message = message if isinstance(message, dict) else {}
    data = message.get("data") if isinstance(message.get("data"), dict) else {}
    return {"type": message.get("type"), "seq": data.get("seq"), "comment_id": data.get("comment_id")}


class Receiver:
    """Listens on 127.0.0.1 from `start` to `stop`, or as a context manager.

    `answer` may be changed while it runs: a status ("200", "500", "410"), "slow:SECONDS" (200 after so long) or
    "tarpit" (a byte a second, for ever). A request that is not good gets 401. `port` 0: the kernel chooses.
    """

    def __init__(self, secrets: Sequence[str], history: Path, port: int = 0, answer: str = "200") -> None:
        self.secrets = tuple(secrets)
        self.answer = answer
        self.history = history
        self._file = history.open("ab", buffering=0)
        self._stopping = threading.Event()
        self._server = _Server(("127.0.0.1", port), self)
        self.port: int = self._server.server_address[1]

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hook"

    def start(self) -> None:
        """Answer requests in threads of its own."""
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def serve(self) -> None:
        """Answer requests until somebody interrupts."""
        self._server.serve_forever()

    def stop(self) -> None:
        """Stop listening; connections that are open are let go."""
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._file.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def seen(self) -> list[dict[str, Any]]:
        """Every request so far, in the order in which they were written down."""
        return read(self.history)

    def take(self, headers: Mapping[str, str], body: bytes) -> str:
        """Write one request down, and say how it is answered."""
        found = verdict(self.secrets, headers, body, time.time())
        answer = self.answer if found == "good" else "401"
        line = {
            "at": time.time(),
            "id": headers.get("webhook-id"),
            "timestamp": headers.get("webhook-timestamp"),
            "sha256": hashlib.sha256(body).hexdigest(),
            **_told(body),
            "verdict": found,
            "answer": answer,
        }
        # One write of one line: threads and a kill may come between lines, not into one.
        self._file.write(json.dumps(line).encode() + b"\n")
        os.fsync(self._file.fileno())
        return answer

    def pause(self, seconds: float) -> bool:
        """Wait so long; whether to go on."""
        return not self._stopping.wait(seconds)


def read(history: Path) -> list[dict[str, Any]]:
    """The lines of a history."""
    return [json.loads(line) for line in history.read_text(encoding="utf-8").splitlines()]


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], receiver: Receiver) -> None:
        self.receiver = receiver
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that hung up is none of ours."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    timeout = 30

    def log_message(self, format: str, *args: Any) -> None:
        """The history is the log."""

    def do_POST(self) -> None:
        """Take one delivery."""
        self.close_connection = True
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or int(length) > _MOST:
            self._say(411)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            return  # the sender died in the middle
        self._answer(self.server.receiver.take(headers, body))

    def _answer(self, answer: str) -> None:
        kind, _, seconds = answer.partition(":")
        if kind == "tarpit":
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"z" * 100_000:
                self.wfile.write(bytes([byte]))
                if not self.server.receiver.pause(1.0):
                    return
        elif kind != "slow":
            self._say(int(kind))
        elif self.server.receiver.pause(float(seconds)):
            self._say(200)

    def _say(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()


def _checked(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    kind, _, seconds = value.partition(":")
    known = value == "tarpit" or (kind == "slow" and seconds.replace(".", "", 1).isdigit())
    if not known and not (value.isdigit() and 200 <= int(value) <= 599):
        raise click.BadParameter("200, 500, 410 or another status, slow:SECONDS or tarpit")
    return value


@click.command(help=__doc__)
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default="the kernel's choice")
@click.option("--secret", "secrets", multiple=True, required=True, help="whsec_...; may be given more than once.")
@click.option("--history", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option("--answer", default="200", callback=_checked, show_default=True, help="A status, slow:SECONDS or tarpit.")
def main(port: int, secrets: tuple[str, ...], history: Path, answer: str) -> None:
    """Receive until interrupted."""
    receiver = Receiver(secrets, history, port, answer)
    click.echo(receiver.url)
    with suppress(KeyboardInterrupt):
        receiver.serve()


if __name__ == "__main__":
    main()
