"""The short way of an ordinary submission: through the endpoint's own view, past the framework around it.

Whatever is not plain goes the long way, as does whatever is refused before anything was counted or stored: another
kind of content, a field that stands twice, a key that is not known, a comment that is not valid.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog

from service.store.database import Busy, Unavailable
from service.web import answers, reading
from service.web.answers import Answered
from service.web.api import comments
from service.web.auth import bearer
from service.web.errors import Problem, of
from service.web.hosts import Hosts
from service.web.routing import Answer, Call, written
from service.web.services import Services

_KINDS = frozenset({"application/json", "application/json; charset=utf-8"})
_FIELDS = ("content-type", "authorization", "idempotency-key", "x-request-id")


class Fields(Protocol):
    """Header fields of a request, by names in lower case."""

    def __contains__(self, name: str) -> bool: ...

    def get_all(self, name: str) -> Sequence[str]:
        """The values of all fields of this name."""


class SubmissionShortcut:
    """Answers submissions of comments."""

    def __init__(self, services: Services) -> None:
        self._services, self._hosts = services, Hosts.of(services.settings)
        self._operation = next(one for one in comments.routes.operations if one.view is comments.submit_comment)

    def serves(self, method: str, path: str, query: str) -> bool:
        """Whether a request is for the endpoint, and has no query."""
        return (method, path, query) == (self._operation.method, self._operation.path, "")

    def answer(self, host: str, fields: Fields, raw: bytes) -> Answered | None:
        """What the application would answer; None when it has to be asked: nothing has happened then."""
        begun = time.perf_counter()
        found = _plain(fields)
        if found is None or not self._hosts.know(host) or len(raw) > self._operation.most:
            return None
        call = self._call(found, raw)
        if call is None:
            return None
        name = answers.request_id(found["x-request-id"] or "")
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=name)
        answer = self._answered(call, name)
        answers.NOTES.add(self._operation.method, self._operation.path, answer[0], time.perf_counter() - begun, name)
        return answer

    def _call(self, found: Mapping[str, str | None], raw: bytes) -> Call | None:
        """The call, checked; None when the application has something to say against it."""
        schema, right = self._operation.body, self._operation.right
        if found["content-type"] not in _KINDS or schema is None:
            return None
        try:
            caller = self._services.gate.admit(right, bearer(found["authorization"]))
            call = Call(
                self._services, caller, reading.load(schema, reading.parse(raw)), raw=raw, key=found["idempotency-key"]
            )
            comments.request_key(call, "")
        except (Problem, Unavailable, Busy):
            return None
        return call

    def _answered(self, call: Call, name: str) -> Answered:
        try:
            answer = comments.submit_comment(call)
            assert isinstance(answer, Answer)
            content, headers = written(self._operation, answer, {})
        except Exception as error:  # the same that the application makes of one
            return answers.of_problem(of(error), name)
        headers |= {"Content-Length": str(len(content)), **answers.HEADERS, "X-Request-Id": name}
        return answer.status, list(headers.items()), content


def _plain(fields: Fields) -> dict[str, str | None] | None:
    """The fields that are looked at, None for one that is not there; None when one is not plain."""
    found: dict[str, str | None] = {}
    for name in _FIELDS:
        values = fields.get_all(name)
        if len(values) > 1 or (not values and name in fields):
            return None
        found[name] = values[0] if values else None
    return None if "content-encoding" in fields else found
