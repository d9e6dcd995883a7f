"""Routes that declare themselves: method, path, right, what comes in and what goes out, in one place.

Serving, the OpenAPI document and the tests of rights all read the same declaration.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, current_app, json, request
from marshmallow import Schema

from service.web import auth, cors, reading
from service.web.auth import Caller, Right
from service.web.errors import Problem, with_headers
from service.web.intake import prefix_of, visitor
from service.web.services import Services

COMMENT_BYTES = 64 * 1024  # the longest body fits, unless its characters come as escapes of JSON
BATCH_BYTES = 1024 * 1024
_NAME = re.compile(r"[a-z0-9-]{1,63}", re.ASCII)


#: The schema of an answer, several that it may have, or None for one without a body.
Shape = Schema | tuple[Schema, ...] | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a view says. schema: the one of several declared for this status that fits; None: the first.

    written: the data is the content as its schema would write it, already in bytes.
    """

    data: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    schema: Schema | None = None
    written: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One request, checked: who calls, and what they sent. key: their Idempotency-Key field."""

    services: Services
    caller: Caller
    body: Any = None
    query: Any = None
    raw: bytes = b""
    limits: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """A route's declaration. answers: status to shape. problems: kinds it may end in besides the usual.

    asked_by_pages: pages of the sites' origins may call it from a browser, with an Authorization field.
    """

    method: str
    path: str
    right: Right
    view: Callable[..., Answer | Response]
    summary: str
    body: Schema | None
    query: Schema | None
    answers: Mapping[int, Shape]
    problems: tuple[str, ...]
    most: int
    keyed: bool
    asked_by_pages: bool = False

    @property
    def name(self) -> str:
        """The operation's name."""
        return self.view.__name__


class Routes:
    """A room's routes."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.operations: list[Operation] = []

    def add(
        self,
        method: str,
        path: str,
        right: Right,
        *,
        answers: Mapping[int, Shape],
        body: Schema | None = None,
        query: Schema | None = None,
        problems: tuple[str, ...] = (),
        most: int = COMMENT_BYTES,
        keyed: bool = False,
        asked_by_pages: bool = False,
    ) -> Callable[[Callable[..., Answer | Response]], Callable[..., Answer | Response]]:
        """Declare the decorated view. `most`: bytes of the body. `keyed`: it honours Idempotency-Key.

        `asked_by_pages`: of an operation that only looks; what its view answers says itself who may read it.
        """

        def declare(view: Callable[..., Answer | Response]) -> Callable[..., Answer | Response]:
            summary = (view.__doc__ or "").strip().splitlines()[0]
            self.operations.append(
                Operation(
                    method, path, right, view, summary, body, query, answers, problems, most, keyed, asked_by_pages
                )
            )
            return view

        return declare

    def blueprint(self) -> Blueprint:
        """The routes as Flask takes them."""
        blueprint = Blueprint(self.tag, __name__)
        by_pages = {operation.path: operation.name for operation in self.operations if operation.asked_by_pages}
        for operation in self.operations:
            blueprint.add_url_rule(
                _rule(operation.path), operation.name, _served(operation), methods=[operation.method],
                provide_automatic_options=operation.path not in by_pages,
            )  # fmt: skip
        for path, name in by_pages.items():
            methods = {operation.method for operation in self.operations if operation.path == path}
            blueprint.add_url_rule(_rule(path), f"{name}_preflight", _preflight(methods), methods=["OPTIONS"])
        return blueprint


def _rule(path: str) -> str:
    """A declared path as Flask writes it."""
    return re.sub(r"{(\w+_id)}", r"<uuid:\1>", path).replace("{", "<").replace("}", ">")


def services() -> Services:
    """The parts of this web process."""
    found: Services = current_app.extensions["comity"]
    return found


def client_prefix() -> str:
    """The network prefix of whoever is connected (behind as many proxies as are trusted)."""
    return prefix_of(request.remote_addr or "")


def _served(operation: Operation) -> Callable[..., Response]:
    def serve(**path: UUID | str) -> Response:
        parts = services()
        try:
            ids: dict[str, Any] = {name: _named(value) for name, value in path.items()}
            caller, fields = _admitted(operation, parts, ids)
        except Exception as error:
            raise _readable(operation, parts, error, {}) from None
        try:
            return _answered(operation, parts, caller, fields, ids)
        except Exception as error:
            raise _readable(operation, parts, error, fields) from None

    return serve


def _preflight(methods: Collection[str]) -> Callable[..., Response]:
    """What a browser is told that asks, without a token, whether a page may send one.

    Nothing is looked up: whichever comment is asked for, and whether there is one, the answer is the same.
    """
    allow = ", ".join(sorted({*methods, "HEAD", "OPTIONS"}))

    def answer(**_path: UUID) -> Response:
        response = Response(status=204, headers={"Allow": allow, "Cache-Control": "no-store"})
        response.headers.extend(cors.preflight(services().gate.origins(), request.headers.get("Origin")))
        return response

    return answer


def _admitted(operation: Operation, parts: Services, ids: Mapping[str, Any]) -> tuple[Caller, Mapping[str, str]]:
    """Who calls, and the RateLimit fields of a caller without a key. Raises Problem."""
    visiting = visitor(parts, client_prefix())
    try:
        caller = parts.gate.admit(operation.right, _bearer(operation), _comment(ids))
    except Problem as problem:
        if problem.kind != "unauthorized":
            raise
        raise with_headers(problem, parts.limits.spend([visiting]).fields) from None  # guessing tokens is counted
    return caller, parts.limits.spend([visiting]).fields if caller.token is None else {}


def _answered(
    operation: Operation, parts: Services, caller: Caller, fields: Mapping[str, str], ids: Mapping[str, Any]
) -> Response:
    query = None if operation.query is None else reading.query(operation.query, request)
    raw = reading.body(request, operation.most) if operation.body is not None else b""
    body = None if operation.body is None else reading.load(operation.body, reading.parse(raw))
    key = request.headers.get("Idempotency-Key") if operation.keyed else None
    answer = operation.view(Call(parts, caller, body, query, raw, fields, key), **ids)
    if isinstance(answer, Response):
        answer.headers.extend(fields)
        return answer
    return _response(operation, answer, fields)


def _readable(operation: Operation, parts: Services, error: Exception, fields: Mapping[str, str]) -> Problem:
    """The problem of an error, which pages may read where they may read the answer itself."""
    if operation.asked_by_pages:  # whose comment it is about is not told, nor whether there is one
        return with_headers(error, {**fields, **cors.among(parts.gate.origins(), request.headers.get("Origin"))})
    if operation.right not in (Right.PUBLIC, Right.PUBLIC_OR_READ):
        return with_headers(error, fields)
    site = parts.gate.known_site(request.args.get("site", ""))
    return with_headers(error, {**fields, **(cors.fields(site, request.headers.get("Origin")) if site else {})})


def written(operation: Operation, answer: Answer, fields: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
    """The content of an answer and its own header fields."""
    shape = operation.answers[answer.status]
    schema = answer.schema or (shape[0] if isinstance(shape, tuple) else shape)
    headers = {"Cache-Control": "no-store", **fields, **answer.headers}
    if schema is None:
        return b"", headers
    return _content(answer, schema), {"Content-Type": "application/json", **headers}


def _response(operation: Operation, answer: Answer, fields: Mapping[str, str]) -> Response:
    content, headers = written(operation, answer, fields)
    response = Response(content, answer.status, content_type=headers.pop("Content-Type", None))
    response.headers.extend(headers)
    return response


def _content(answer: Answer, schema: Schema) -> bytes:
    if answer.written:
        written: bytes = answer.data
        return written
    return json.dumps(schema.dump(answer.data)).encode()


def _named(value: UUID | str) -> UUID | str:
    """An id in a path, or a name, which is plain: what else stands there names nothing."""
    if isinstance(value, str) and not _NAME.fullmatch(value):
        raise Problem("not-found", "There is nothing of this name. Names look as this API gave them.")
    return value


def _bearer(operation: Operation) -> str | None:
    """The token sent; a route open to everybody looks at none."""
    return None if operation.right is Right.PUBLIC else auth.bearer(request.headers.get("Authorization"))


def _comment(ids: Mapping[str, Any]) -> UUID | None:
    return ids.get("comment_id")
