"""The front of a web process: takes requests in on one event loop, and gives whole ones to the application's threads.

Granian's own bridge to WSGI reads a body inside the thread that answers, without a limit of time, so that a few idle
senders stop all. Libraries that bridge ASGI and WSGI (a2wsgi, asgiref) bound neither time nor bytes.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from io import BytesIO
from typing import Any

from granian._granian import RSGIHTTPProtocol as HTTPProtocol
from granian.rsgi import Scope

from service.bodies import MOST_BYTES, Bodies, Body, Broken, Crowded, Slow
from service.crew import Crew
from service.gang import Call, Gang
from service.parent import HURRY
from service.web.answers import NOTES, Answered, refusal
from service.web.errors import Problem, from_domain
from service.web.listing import PATH
from service.web.read_shortcut import STAMP, Read, ReadShortcut
from service.web.submission_shortcut import Asked, Lot, SubmissionShortcut

WAITING_PER_THREAD = 64  # requests; at some milliseconds each, under a second
MOST_TOGETHER = 16  # submissions; a third of a millisecond each, so that a lot is read in five
LOTS_AT_ONCE = 2  # one is read while the database has the other
_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOKED_AT = frozenset({"host", "origin", "if-none-match", "x-forwarded-for", "x-request-id"})
_LATE = Problem("request-timeout", "The request did not arrive in time. Send it again, over a better connection.")
_CROWDED = Problem(
    "service-unavailable",
    "More is being sent than can be taken in. Nothing was stored; send the request again.",
    headers={"Retry-After": "1"},
)
_BROKEN = Problem("malformed-request", "The body ended before it was whole. Send it again, without trailer fields.")
_PROBLEMS: dict[type[Exception], Problem] = {Slow: _LATE, Crowded: _CROWDED, Broken: _BROKEN}

_Request = tuple[Scope, HTTPProtocol, Body, float]
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Front:
    """A WSGI application as an RSGI one."""

    def __init__(
        self,
        app: Application,
        threads: int,
        bodies: Bodies | None = None,
        reads: ReadShortcut | None = None,
        submissions: SubmissionShortcut | None = None,
    ) -> None:
        """reads, submissions: what may be answered without the application."""
        self._app = app
        self._reads = reads
        self._submissions = submissions
        self._bodies = bodies or Bodies()
        self._crew = Crew(threads)
        self._lots = Gang(self._read_lot, self._answer_lot, MOST_TOGETHER, min(LOTS_AT_ONCE, threads))
        self._most_calls = threads + threads * WAITING_PER_THREAD

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Before the first request: hear when the server is about to stop."""
        loop.add_signal_handler(HURRY, self._bodies.hurry)

    def __rsgi_del__(self, _: asyncio.AbstractEventLoop) -> None:
        """After the last request."""
        NOTES.write()

    async def __rsgi__(self, scope: Scope, proto: HTTPProtocol) -> None:
        """Answer one request."""
        begun = time.perf_counter()
        if self._reads is not None and scope.method == "GET" and scope.path == PATH:
            read = _read(scope)
            known = None if read is None else self._reads.answer(read, begun)
            if known is not None:
                proto.response_bytes(*known)
                return
            if read is not None:
                await self._run(scope, proto, partial(self._fetch, scope, proto, read, begun), begun)
                return
        try:
            body = await self._body(scope, proto)
        except (Slow, Crowded, Broken) as error:
            _refuse(scope, proto, _PROBLEMS[type(error)], begun)
            return
        try:
            await self._take(scope, proto, body, begun)
        finally:
            self._bodies.release(body)

    async def _run(self, scope: Scope, proto: HTTPProtocol, call: Callable[[], None], begun: float) -> None:
        """Answer in one of the threads, if not too many wait for one."""
        if self._crew.calls < self._most_calls:
            await self._crew.run(call)
        else:
            _refuse(scope, proto, _CROWDED, begun)

    async def _take(self, scope: Scope, proto: HTTPProtocol, body: Body, begun: float) -> None:
        """Answer together with others, or alone."""
        if self._gathers(scope) and self._crew.calls < self._most_calls:
            await self._crew.run_with_others(self._lots, (scope, proto, body, begun))
        else:
            await self._run(scope, proto, partial(self._answer, scope, proto, body, begun), begun)

    async def _body(self, scope: Scope, proto: HTTPProtocol) -> Body:
        """What the application may read.

        One that says itself that it is too large is not waited for: the application refuses it by its length, in the
        words of its route.
        """
        length = _length(scope)
        if length == 0 or scope.method in _WITHOUT_BODY or (length or 0) > MOST_BYTES:
            return Body()
        return await self._bodies.read(proto, length)

    def _fetch(self, scope: Scope, proto: HTTPProtocol, read: Read, begun: float) -> None:
        """Answer a public read from the store, or ask the application."""
        assert self._reads is not None
        try:
            found = self._reads.fetch(read, begun)
        except Exception as error:
            _refuse(scope, proto, from_domain(error), begun)
            return
        if found is None:
            self._answer(scope, proto, Body(), begun)
        else:
            proto.response_bytes(*found)

    def _answer(self, scope: Scope, proto: HTTPProtocol, body: Body, begun: float) -> None:
        """Ask the application, and hand its answer over whole: no slow reader holds the thread."""
        try:
            answer = self._submitted(scope, body)
            if answer is None:
                asked = environ(scope, body)
                asked["comity.begun"] = begun
                answer = _ask(self._app, asked)
                read = _read(scope) if STAMP in asked and scope.method == "GET" else None
                if self._reads is not None and read is not None:
                    self._reads.learn(read, asked, *answer)
            self._changed(scope, answer[0])
            proto.response_bytes(*answer)
        except Exception as error:
            problem = from_domain(error)
            self._changed(scope, problem.status)
            _refuse(scope, proto, problem, begun)

    def _changed(self, scope: Scope, status: int) -> None:
        """Say that a request was answered, before whoever sent it hears of it."""
        if self._reads is not None:
            self._reads.changed(scope.method, scope.path, status)

    def _gathers(self, scope: Scope) -> bool:
        """Whether a request may be answered together with others: it submits a comment, under a key of its own."""
        return (
            self._submissions is not None
            and self._submissions.serves(scope.method, scope.path, scope.query_string)
            and "idempotency-key" in scope.headers
        )

    def _read_lot(self, requests: Sequence[_Request]) -> tuple[Sequence[_Request], Lot]:
        assert self._submissions is not None
        return requests, self._submissions.read_lot([_asked(scope, body) for scope, _, body, _ in requests])

    def _answer_lot(self, read: tuple[Sequence[_Request], Lot]) -> Sequence[Call | None]:
        """Answer submissions together; what is left is to answer the others, each by itself."""
        assert self._submissions is not None
        requests, lot = read
        try:
            answers = self._submissions.answer_lot(lot)
        except Exception:  # a fault, which shows itself again with the one that it comes from: each has its key
            return [partial(self._answer, *request) for request in requests]
        return [self._given(request, answer) for request, answer in zip(requests, answers, strict=True)]

    def _given(self, request: _Request, answer: Answered | None) -> Call | None:
        if answer is None:
            return partial(self._answer, *request)
        try:
            request[1].response_bytes(*answer)
        except Exception as error:
            from_domain(error)  # noted there; the others of the lot get theirs
        return None

    def _submitted(self, scope: Scope, body: Body) -> Answered | None:
        """The answer to a submission; None when it is none, or none for the short way."""
        if self._submissions is None or not self._submissions.serves(scope.method, scope.path, scope.query_string):
            return None
        return self._submissions.answer(*_asked(scope, body))


def _asked(scope: Scope, body: Body) -> Asked:
    """A request as the short way of submissions looks at it."""
    fields: Any = scope.headers  # can do more than granian's stubs say
    return scope.headers.get("host") or scope.authority or "", fields, bytes(body.content)


def _read(scope: Scope) -> Read | None:
    """A public read; None when somebody shows a key, who is then told more, or is not counted as a visitor.

    None, too, when a field that is looked at stands there twice: the application decides what that means.
    """
    if "authorization" in scope.headers:
        return None
    given: dict[str, str] = {}
    for name, value in scope.headers.items():
        if name in _LOOKED_AT:
            if name in given:
                return None
            given[name] = value
    return Read(
        given.get("host") or scope.authority or "",
        scope.query_string,
        given.get("origin"),
        given.get("if-none-match"),
        _host(scope.client.rpartition(":")[0]),
        given.get("x-forwarded-for"),
        given.get("x-request-id", ""),
    )


def _ask(app: Application, asked: dict[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, header fields and content of the application's answer."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start(status: str, headers: list[tuple[str, str]], _trouble: Any = None) -> None:
        started.append((status, headers))

    parts = app(asked, start)
    try:
        content = b"".join(parts)
    finally:
        if hasattr(parts, "close"):
            parts.close()
    status, headers = started[-1]
    return int(status[:3]), headers, content


def environ(scope: Scope, body: Body) -> dict[str, Any]:
    """A request as WSGI has it (PEP 3333). Nothing of the process's own environment is in it."""
    server, _, port = scope.server.rpartition(":")
    found = {
        "HTTP_HOST": scope.authority or "",
        **_fields(scope),
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "SERVER_NAME": _host(server),
        "SERVER_PORT": port,
        "REMOTE_ADDR": _host(scope.client.rpartition(":")[0]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": BytesIO(body.content),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if body.content:
        found["CONTENT_LENGTH"] = str(len(body.content))  # for one that came in chunks
    return found


def _fields(scope: Scope) -> dict[str, str]:
    """The header fields; several of one name are joined, a value that is not ASCII is empty."""
    found: dict[str, str] = {}
    for name, value in scope.headers.items():
        if key := _key(name):
            found[key] = f"{found[key]},{value}" if key in found else value
    for name in scope.headers.keys():  # noqa: SIM118 - an RSGI object, which tells values that are not ASCII by name alone
        if (key := _key(name)) and key not in found:
            found[key] = ""
    return found


@lru_cache(256)
def _key(name: str) -> str:
    """A field's name in WSGI; empty for one with an underscore, which would pass for another, as X_Forwarded_For."""
    if "_" in name:
        return ""
    key = name.replace("-", "_").upper()
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


def _length(scope: Scope) -> int | None:
    """Bytes of the body; None when it comes in chunks. Granian lets no other length through."""
    if "transfer-encoding" in scope.headers:
        return None
    return int(scope.headers.get("content-length", 0))


def _host(address: str) -> str:
    """An IP address without what a socket adds to it."""
    return address.strip("[]").partition("%")[0]


def _refuse(scope: Scope, proto: HTTPProtocol, problem: Problem, begun: float) -> None:
    """Answer without asking the application, and end the connection: its body was not read to the end."""
    status, headers, content = refusal(problem, scope.method, scope.headers.get("x-request-id", ""), begun)
    proto.response_bytes(status, [*headers, ("Connection", "close")], content)
