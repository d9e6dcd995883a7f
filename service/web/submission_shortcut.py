"""The short way of an ordinary submission: through the endpoint's own view, past the framework around it.

Whatever is not plain goes the long way, as does whatever is refused before anything was counted or stored: another
kind of content, a field that stands twice, a key that is not known, a comment that is not valid.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from service.store.database import Busy, Unavailable
from service.web import answers, lots, reading
from service.web.answers import Answered
from service.web.api import comments
from service.web.auth import bearer
from service.web.errors import Problem, of
from service.web.hosts import Hosts
from service.web.intake import submission
from service.web.lots import Counted, Piece, Taken
from service.web.routing import Answer, Call, written
from service.web.services import Services

_KINDS = frozenset({"application/json", "application/json; charset=utf-8"})
_FIELDS = ("content-type", "authorization", "idempotency-key", "x-request-id")


class Fields(Protocol):
    """Header fields of a request, by names in lower case."""

    def __contains__(self, name: str) -> bool: ...

    def get_all(self, name: str) -> Sequence[str]:
        """The values of all fields of this name."""


#: A request as far as it is looked at: its host, its header fields and its body.
Asked = tuple[str, Fields, bytes]


@dataclass(frozen=True, slots=True)
class Lot:
    """Submissions that were read together. names: the requests' ids, None for one that has to be answered alone."""

    begun: float
    names: Sequence[str | None]
    counted: Counted


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
        found = self._found(host, fields, raw)
        call = None if found is None else self._call(found, raw)
        if found is None or call is None:
            return None
        name = answers.request_id(found["x-request-id"] or "")
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=name)
        answer = self._answered(call, name)
        self._note(answer, name, begun)
        return answer

    def read_lot(self, asked: Sequence[Asked]) -> Lot:
        """Read and count submissions that are there at the same time; nothing is stored yet."""
        begun = time.perf_counter()
        structlog.contextvars.clear_contextvars()
        read = [self._piece(*one) for one in asked]
        counted = lots.count(self._services, [found[1] for found in read if found is not None])
        return Lot(begun, [None if found is None else found[0] for found in read], counted)

    def answer_lot(self, lot: Lot) -> list[Answered | None]:
        """What the application would answer to those that can be taken together; stores them.

        None for all others: nothing has happened to them, and each has to be answered alone.
        """
        taken = iter(lots.take(self._services, lot.counted))
        return [None if name is None else self._told(name, next(taken), lot.begun) for name in lot.names]

    def _piece(self, host: str, fields: Fields, raw: bytes) -> tuple[str, Piece] | None:
        """The id of a request and what it submits; None when it has to be answered alone."""
        found = self._found(host, fields, raw)
        try:
            call = None if found is None else self._call(found, raw)
            if found is None or call is None or (key := comments.request_key(call, comments.ROUTE)) is None:
                return None
            site = comments.site_of(call)
            piece = Piece(site, submission(self._services, site, call.body), key)
        except Exception:  # it says so alone, and none of the others has to hear of it
            return None
        return answers.request_id(found["x-request-id"] or ""), piece

    def _told(self, name: str, taken: Taken, begun: float) -> Answered | None:
        if taken is None:
            return None
        if isinstance(taken, Problem):
            answer = answers.of_problem(taken, name)
        else:
            answer = self._written(comments.answer_of(self._services, *taken), name)
        self._note(answer, name, begun)
        return answer

    def _note(self, answer: Answered, name: str, begun: float) -> None:
        answers.NOTES.add(self._operation.method, self._operation.path, answer[0], time.perf_counter() - begun, name)

    def _found(self, host: str, fields: Fields, raw: bytes) -> dict[str, str | None] | None:
        """The fields of a request that is plain as far as can be seen without reading it."""
        found = _plain(fields)
        return None if found is None or not self._hosts.know(host) or len(raw) > self._operation.most else found

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
            comments.request_key(call, comments.ROUTE)
        except (Problem, Unavailable, Busy):
            return None
        return call

    def _answered(self, call: Call, name: str) -> Answered:
        try:
            answer = comments.submit_comment(call)
            assert isinstance(answer, Answer)
            return self._written(answer, name)
        except Exception as error:  # the same that the application makes of one
            return answers.of_problem(of(error), name)

    def _written(self, answer: Answer, name: str) -> Answered:
        content, headers = written(self._operation, answer, {})
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
