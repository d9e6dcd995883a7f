"""Just enough HTTP/1.1 for the lab's clients, at a fraction of what `http.client` costs: bytes out, bytes in."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. ends: whether the other side hangs up after it."""

    status: int
    body: bytes
    ends: bool
    is_json: bool

    @property
    def content(self) -> Any:
        """What the body says; None when it is no JSON."""
        return json.loads(self.body) if self.body and self.is_json else None


def request(
    host: str, method: str, path: str, body: Any = None, token: str | None = None, key: str | None = None
) -> bytes:
    """A request with all that belongs to it. host: with its port. body: sent as JSON. key: an Idempotency-Key."""
    raw = b"" if body is None else json.dumps(body).encode()
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n"
    )
    if token is not None:
        head += f"Authorization: Bearer {token}\r\n"
    if key is not None:
        head += f'Idempotency-Key: "{key}"\r\n'
    return head.encode() + b"\r\n" + raw


def reply(come: bytes | bytearray) -> Reply | None:
    """The answer that has come, or None while some of it is missing. Raises ConnectionError when it is none.

    Only answers that say how long they are: those of our API.
    """
    head, end, body = bytes(come).partition(b"\r\n\r\n")
    if not end:
        return None
    lines = head.lower().split(b"\r\n")
    fields = dict(line.split(b": ", 1) for line in lines[1:] if b": " in line)
    words = lines[0].split(b" ", 2)
    if not words[0].startswith(b"http/1.") or not words[1].isdigit():
        raise ConnectionError("no answer in HTTP")
    status = int(words[1])
    if status not in (204, 304) and b"content-length" not in fields:
        raise ConnectionError("an answer that does not say how long it is")
    if len(body) < int(fields.get(b"content-length", b"0")):
        return None
    ends = fields.get(b"connection") == b"close"
    return Reply(status, body, ends, fields.get(b"content-type", b"").startswith(b"application/"))
