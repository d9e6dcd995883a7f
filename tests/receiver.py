"""A receiver of webhooks as a website would write one: it checks each signature by the specification, and notes all."""

import base64
import hmac
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Message:
    """What came in. at: on this machine's monotonic clock."""

    at: float
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


#: What to answer: status, more fields, and for how long to think first.
Reply = tuple[int, Mapping[str, str], float]


@dataclass
class Receiver:
    """Listens on a port of the kernel's choice; `reply` says what to answer to a message."""

    reply: Callable[[Message], Reply] = lambda _: (204, {}, 0.0)
    messages: list[Message] = field(default_factory=list)
    at_once: int = 0  # messages that were there at the same time, at most
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    @property
    def ids(self) -> list[str]:
        """The ids of the messages, as they came."""
        return [message.id for message in self.messages]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver._take(self, Message(time.monotonic(), dict(self.headers), body))

            def log_message(self, *_: object) -> None:
                return

        return Handler

    def _take(self, handler: BaseHTTPRequestHandler, message: Message) -> None:
        with self._lock:
            self._now += 1
            self.at_once = max(self.at_once, self._now)
            self.messages.append(message)
        status, fields, seconds = self.reply(message)
        time.sleep(seconds)
        with self._lock:
            self._now -= 1
        handler.send_response(status)
        for name, value in fields.items():
            handler.send_header(name, value)
        answer = b"" if status == 204 else b"noted"
        if status != 204:
            handler.send_header("Content-Length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that was killed hangs up."""


def verify(message: Message, secrets: Sequence[str]) -> list[int]:
    """Which of the secrets signed this message, by the specification. Raises AssertionError for one that is too old."""
    assert abs(time.time() - int(message.headers["webhook-timestamp"])) < 300
    signed = f"{message.id}.{message.headers['webhook-timestamp']}.".encode() + message.body
    given = message.headers["webhook-signature"].split(" ")
    keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in secrets]
    good = ["v1," + base64.b64encode(hmac.new(key, signed, sha256).digest()).decode() for key in keys]
    return [given.index(one) for one in good if one in given]
