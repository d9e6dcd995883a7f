"""The front of a web process: what the application is given, and what is answered without it."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from service.bodies import MOST_BYTES, Bodies, Body
from service.front import WAITING_PER_THREAD, Front, environ


class Headers(dict[str, list[str]]):
    """Header fields as granian gives them: a value that is not ASCII is told by its name alone."""

    def items(self) -> list[tuple[str, str]]:  # type: ignore[override]
        return [(name, value) for name, values in super().items() for value in values]

    def get(self, name: str, default: Any = None) -> Any:
        return self[name][0] if name in self else default

    def get_all(self, name: str) -> list[str]:
        return list(super().get(name, []))


@dataclass
class Scope:
    """A request's head."""

    method: str = "POST"
    path: str = "/v1/comments"
    query_string: str = ""
    http_version: str = "1.1"
    scheme: str = "http"
    server: str = "127.0.0.1:8080"
    client: str = "192.0.2.7:4711"
    authority: str | None = None
    headers: Headers = field(default_factory=Headers)


@dataclass
class Proto:
    """A request's connection: its body in pieces (then nothing more, for ever, unless it has ended), and its answer."""

    pieces: Iterable[bytes] = ()
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    asked: int = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            self.asked += 1
            yield piece
        await asyncio.sleep(60)

    def response_bytes(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.answers.append((status, dict(headers), content))

    @property
    def answer(self) -> tuple[int, dict[str, str], Any]:
        """The one answer; its content decoded if it is JSON."""
        ((status, headers, content),) = self.answers
        return status, headers, json.loads(content) if "json" in headers["Content-Type"] else content


def echo(asked: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    """An application that sends back what it was sent."""
    start("200 OK", [("Content-Type", "text/plain")])
    return [asked.get("CONTENT_LENGTH", "none").encode(), b" ", asked["wsgi.input"].read()]


def ask(scope: Scope, proto: Proto, app: Any = echo, bodies: Bodies | None = None) -> Proto:
    asyncio.run(Front(app, 2, bodies).__rsgi__(scope, proto))  # type: ignore[arg-type]
    return proto


def posted(length: int) -> Scope:
    return Scope(headers=Headers({"content-length": [str(length)]}))


CHUNKED = Headers({"transfer-encoding": ["chunked"]})


def test_the_application_gets_a_whole_body() -> None:
    """With its length, also where it came in chunks."""
    assert ask(posted(5), Proto([b"hel", b"lo"])).answer[2] == b"5 hello"


def test_a_body_that_is_not_looked_at_is_not_waited_for() -> None:
    """That of a GET, and one that says itself that it is too large: its length is enough to refuse it."""
    get = posted(5)
    get.method = "GET"
    assert ask(get, Proto()).answer[2] == b"5 "
    large = Proto([bytes(10)])
    assert ask(posted(MOST_BYTES + 1), large).answer[2] == f"{MOST_BYTES + 1} ".encode()
    assert large.asked == 0


def test_a_late_body_is_a_408() -> None:
    """As a problem document, with the request's id; the application is not asked, and the connection ends."""
    scope = posted(5)
    scope.headers["x-request-id"] = ["my-request-1"]
    status, headers, problem = ask(scope, Proto([b"h"]), app=None, bodies=Bodies(seconds=0.05)).answer
    assert (status, problem["type"], headers["Content-Type"]) == (
        408,
        "/docs/problems#request-timeout",
        "application/problem+json",
    )
    assert problem["instance"] == "urn:comity:request:my-request-1"
    assert headers["X-Request-Id"] == "my-request-1"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Connection"] == "close"


def test_a_broken_body_is_a_400() -> None:
    """Half a body reaches nobody."""
    assert ask(Scope(headers=CHUNKED), Proto([b"half", b"", b""]), app=None).answer[0] == 400


def test_too_much_at_once_is_a_503() -> None:
    """With the time after which to come again."""
    status, headers, problem = ask(posted(50), Proto([bytes(40)]), app=None, bodies=Bodies(most_held=10)).answer
    assert (status, headers["Retry-After"], problem["type"]) == (503, "1", "/docs/problems#service-unavailable")


def test_an_application_that_fails_is_a_500() -> None:
    """And nothing of its trouble is told."""

    def broken(_asked: Any, _start: Any) -> list[bytes]:
        raise RuntimeError("secret")

    status, _, problem = ask(posted(0), Proto(), broken).answer
    assert (status, problem["type"]) == (500, "/docs/problems#internal-error")
    assert "secret" not in str(problem)


def test_when_all_threads_are_busy_so_many_wait_and_no_more() -> None:
    """The rest is told at once to come again; those that waited are answered."""
    go = threading.Event()

    def busy(asked: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        assert go.wait(30)
        return echo(asked, start)

    async def crowd() -> list[int]:
        front = Front(busy, 2)
        protos = [Proto() for _ in range(2 + 2 * WAITING_PER_THREAD + 3)]
        calls = [asyncio.ensure_future(front.__rsgi__(Scope(method="GET"), proto)) for proto in protos]  # type: ignore[arg-type]
        await asyncio.sleep(0)
        refused = sum(bool(proto.answers) for proto in protos)
        go.set()
        await asyncio.gather(*calls)
        return [refused, *(proto.answers[0][0] for proto in protos)]

    refused, *statuses = asyncio.run(crowd())
    assert refused == 3
    assert sorted(statuses) == [200] * (len(statuses) - 3) + [503] * 3


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        ({"x-forwarded-for": ["192.0.2.1", "192.0.2.2"]}, {"HTTP_X_FORWARDED_FOR": "192.0.2.1,192.0.2.2"}),
        ({"x-forwarded-for": ["a"], "x_forwarded_for": ["b"]}, {"HTTP_X_FORWARDED_FOR": "a"}),
        ({"idempotency-key": []}, {"HTTP_IDEMPOTENCY_KEY": ""}),
        ({"content-type": ["text/plain"]}, {"CONTENT_TYPE": "text/plain"}),
        ({"host": ["blog.example"]}, {"HTTP_HOST": "blog.example"}),
        ({}, {"HTTP_HOST": "", "SCRIPT_NAME": "", "REMOTE_ADDR": "192.0.2.7", "SERVER_PORT": "8080"}),
    ],
    ids=str,
)
def test_fields_as_wsgi_has_them(sent: dict[str, list[str]], found: dict[str, str]) -> None:
    """Several of one name are joined, one with an underscore passes for no other, one that is not ASCII is empty."""
    made = environ(Scope(headers=Headers(sent)), Body())  # type: ignore[arg-type]
    assert {name: made[name] for name in found} == found
    assert not [name for name in made if name == name.lower() and not name.startswith("wsgi.")]


@pytest.mark.parametrize(
    ("client", "address"),
    [("[::1]:4711", "::1"), ("[fe80::1%2]:4711", "fe80::1"), ("[::ffff:192.0.2.1]:80", "::ffff:192.0.2.1")],
)
def test_the_address_of_a_client(client: str, address: str) -> None:
    """Without the port, and without what a socket adds to it."""
    assert environ(Scope(client=client), Body())["REMOTE_ADDR"] == address  # type: ignore[arg-type]


def test_a_path_in_utf8() -> None:
    """PEP 3333 wants its bytes as Latin-1."""
    assert environ(Scope(path="/grüße"), Body())["PATH_INFO"] == "/grÃ¼Ã\x9fe"  # type: ignore[arg-type]


class Reads:
    """What hears of answers, in place of the memory of reads."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, int]] = []

    def changed(self, method: str, path: str, status: int) -> None:
        """Note it."""
        self.heard.append((method, path, status))


@pytest.mark.parametrize(("status", "heard"), [("200 OK", 200), ("404 Not Found", 404), (None, 500)])
def test_the_memory_of_reads_hears_how_a_change_was_answered(status: str | None, heard: int) -> None:
    """Also of one that failed in the middle: it may have taken effect."""
    reads = Reads()

    def app(_asked: Any, start: Callable[..., Any]) -> list[bytes]:
        if status is None:
            raise RuntimeError
        start(status, [("Content-Type", "text/plain")])
        return [b""]

    front = Front(app, 1, reads=reads)  # type: ignore[arg-type]
    proto, scope = Proto(), Scope("DELETE", "/v1/comments/x", headers=Headers({"content-length": ["0"]}))
    asyncio.run(front.__rsgi__(scope, proto))  # type: ignore[arg-type]
    assert (proto.answer[0], reads.heard) == (heard, [("DELETE", "/v1/comments/x", heard)])
