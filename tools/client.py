"""A small client of the API for programs: one kept connection a thread, JSON in and out."""

import http.client
import json
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

DEMO = Path("var/demo.json")


class ApiError(Exception):
    """Raised when the service answers with an error that the caller did not expect."""


class Client:
    """Requests to one service; usable from many threads."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._local = threading.local()

    def request(
        self, method: str, path: str, token: str | None = None, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, decoded answer and header fields (names in lower case). A dropped connection is opened anew once."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        raw = None if body is None else json.dumps(body)
        for attempt in (1, 2):
            connection = self._connection()
            try:
                connection.request(method, path, raw, sent)
                answer = connection.getresponse()
                text = answer.read()
            except (http.client.HTTPException, OSError):
                self._local.connection = None
                if attempt == 2:
                    raise
                continue
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, json.loads(text) if text else None, fields
        raise AssertionError("unreachable")

    def must(self, method: str, path: str, token: str | None = None, body: Any = None) -> Any:
        """The decoded answer of a request that has to succeed. Raises ApiError."""
        status, answer, _ = self.request(method, path, token, body)
        if status >= 400:
            detail = answer.get("detail", "") if isinstance(answer, dict) else ""
            raise ApiError(f"{method} {path.partition('?')[0]} answered {status}: {detail}")
        return answer

    def _connection(self) -> http.client.HTTPConnection:
        found = getattr(self._local, "connection", None)
        if found is None:
            kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
            found = self._local.connection = kind(self._parts.hostname or "", self._parts.port, timeout=30)
        return found


def demo(path: Path = DEMO) -> dict[str, str]:
    """Where the running service is and its tokens. Raises ApiError with the remedy when it never ran."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ApiError(f"{path} is not there: start the service with `make run` first.") from None
