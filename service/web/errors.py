"""The one shape of an error: a problem document (RFC 9457)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, json, request
from flask.wrappers import Response as FlaskResponse
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed

from service import log
from service.domain.lifecycle import MoveError
from service.store.comments import Conflict, NotFound
from service.store.database import Busy, Unavailable

_log = log.get(__name__)

#: Where the types are explained; stable names, each with its usual status and title.
TYPES: Mapping[str, tuple[int, str]] = {
    "malformed-request": (400, "The request cannot be read"),
    "unauthorized": (401, "A credential is needed"),
    "forbidden": (403, "This credential may not do that"),
    "not-found": (404, "There is nothing here"),
    "method-not-allowed": (405, "This method is not offered here"),
    "request-timeout": (408, "The request took too long to arrive"),
    "conflict": (409, "The current state does not allow this"),
    "idempotency-in-progress": (409, "The first request with this key still runs"),
    "payload-too-large": (413, "The request is too large"),
    "uri-too-long": (414, "The address is too long"),
    "unsupported-media-type": (415, "This kind of content is not read here"),
    "validation-error": (422, "Some values need a change"),
    "idempotency-key-reused": (422, "This key was used for another request"),
    "quota-exceeded": (429, "Too many requests"),
    "internal-error": (500, "Something went wrong here"),
    "service-unavailable": (503, "Not available right now"),
}
QUOTA_TYPE = "https://iana.org/assignments/http-problem-types#quota-exceeded"


@dataclass(slots=True)
class Problem(Exception):
    """Raised when a request ends in an error. `kind` is a name in TYPES; `detail` says what to change.

    errors: one entry per wrong value: {"detail", "pointer" (JSON Pointer as fragment) or "parameter", "code"}.
    extra: further members, such as the current state of a conflict.
    """

    kind: str
    detail: str
    errors: Sequence[Mapping[str, str]] = ()
    headers: Mapping[str, str] | None = None
    extra: Mapping[str, Any] | None = None

    @property
    def status(self) -> int:
        """The HTTP status."""
        return TYPES[self.kind][0]

    def document(self, request_id: str = "") -> dict[str, Any]:
        """The problem as a JSON object. Its instance is the request's id, which is also in our log."""
        status, title = TYPES[self.kind]
        kind = QUOTA_TYPE if self.kind == "quota-exceeded" else f"/docs/problems#{self.kind}"
        document: dict[str, Any] = {"type": kind, "title": title, "status": status, "detail": self.detail}
        if self.errors:
            document["errors"] = list(self.errors)
        instance = {"instance": f"urn:comity:request:{request_id}"} if request_id else {}
        return {**document, **(self.extra or {}), **instance}


def answer(problem: Problem) -> Response:
    """The response of a problem."""
    document = problem.document(request.environ.get("comity.request_id", ""))
    response = FlaskResponse(json.dumps(document), status=problem.status, content_type="application/problem+json")
    response.headers.update(problem.headers or {})
    response.headers["Cache-Control"] = "no-store"
    return response


_FROM_STATUS = {
    400: (
        "malformed-request",
        "The request is not well-formed HTTP for this service. Check its host name and encoding.",
    ),
    404: ("not-found", "No such path. The paths are listed at /docs."),
    405: ("method-not-allowed", "This path does not take this method. The Allow field lists those it takes."),
    413: ("payload-too-large", "The body is larger than this route takes."),
    414: ("uri-too-long", "Send shorter query parameters."),
    415: ("unsupported-media-type", "Send the body as application/json."),
}


def from_http(error: HTTPException) -> Problem:
    """The problem that stands for one of the framework's own errors; what is not the client's fault is ours."""
    if error.code is None or error.code >= 500:
        return from_domain(error)
    kind, detail = _FROM_STATUS.get(error.code, ("malformed-request", "The request cannot be served as it is."))
    headers = {}
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return Problem(kind, detail, headers=headers)


def from_domain(error: Exception) -> Problem:
    """The problem that stands for a domain exception; an unknown exception is an internal error."""
    if isinstance(error, NotFound):
        return Problem("not-found", "There is no such thing, or this credential may not see it.")
    if isinstance(error, Conflict):
        now = f"{error.state} now, at version {error.version}"
        detail = f"Somebody was first: the comment is {now}. Look again, then decide."
        return Problem("conflict", detail, extra={"state": error.state, "version": error.version})
    if isinstance(error, MoveError):
        detail = f"A comment that is {error.state} cannot be changed this way ({error.action})."
        return Problem("conflict", detail, extra={"state": str(error.state)})
    if isinstance(error, Unavailable):
        detail = "The request may or may not have taken effect. Send it again with the same Idempotency-Key."
        return Problem("service-unavailable", detail, headers={"Retry-After": "2"})
    if isinstance(error, Busy):
        return Problem(
            "service-unavailable", "Another request is in the way. Send it again.", headers={"Retry-After": "1"}
        )
    _log.error("request_failed", exc_info=error)
    return Problem("internal-error", "The fault is ours and was noted. Quote the instance when you report it.")


def with_headers(error: Exception, headers: Mapping[str, str]) -> Problem:
    """The problem that stands for any exception, with these fields unless it sets them itself."""
    problem = of(error)
    problem.headers = {**headers, **(problem.headers or {})}
    return problem


def of(error: Exception) -> Problem:
    """The problem that an exception is, or that stands for it."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, InternalServerError) and isinstance(error.original_exception, Exception):
        return of(error.original_exception)  # raised where an error was handled, or an answer finished
    return from_http(error) if isinstance(error, HTTPException) else from_domain(error)


def register(app: Flask) -> None:
    """Make every error of `app` a problem document."""
    for kind in (Problem, HTTPException, Exception):
        app.register_error_handler(kind, lambda error: answer(of(error)))
