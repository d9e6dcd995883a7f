"""Over a real connection to the real server: what Flask's own client cannot send."""

import http.client
import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from service import embedded
from service.web.routing import COMMENT_BYTES
from tests.faults.house import wait_for
from tests.fuzz.serving import Served, serving
from tests.world import World


@pytest.fixture(scope="module")
def wire(new_database: Callable[[], str], servers: embedded.Servers, folder: Path) -> Iterator[tuple[World, Served]]:
    """A web process and the world it serves."""
    world = World.make(new_database(), servers.broker_url)
    with serving(world.owner_url, world.broker_url, folder / "wire.log") as served:
        yield world, served
    world.close()


def chunked(wire: tuple[World, Served], body: bytes, size: int) -> tuple[int, Any]:
    """A comment sent in chunks, without its length."""
    world, served = wire
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    headers = {"Authorization": f"Bearer {world.secret_key}", "Content-Type": "application/json"}
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    connection.request("POST", "/v1/comments", pieces, headers, encode_chunked=True)
    answer = connection.getresponse()
    told = json.loads(answer.read())
    connection.close()
    return answer.status, told


def raw(served: Served, data: bytes) -> bytes:
    """The first line that comes back for these bytes."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as line:
        line.sendall(data)
        return line.makefile("rb").readline()


def test_a_body_in_chunks_is_a_body(wire: tuple[World, Served]) -> None:
    """Without a Content-Length it is read whole."""
    status, _ = chunked(wire, json.dumps(wire[0].comment()).encode(), 37)
    assert status == 202


def test_a_body_in_chunks_has_its_limit(wire: tuple[World, Served]) -> None:
    """To the byte: one more is 413, and not a body cut short that happens to be JSON."""
    comment = json.dumps(wire[0].comment()).encode()
    assert chunked(wire, comment + b" " * (COMMENT_BYTES - len(comment)), 10_000)[0] == 202
    comment = json.dumps(wire[0].comment()).encode()
    for more in (1, 100_000):
        status, problem = chunked(wire, comment + b" " * (COMMENT_BYTES - len(comment) + more), 10_000)
        assert (status, problem["type"]) == (413, "/docs/problems#payload-too-large")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GARBAGE\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /\x00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"400"),
        (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n", b"400"),
        (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n folded: x\r\n\r\n", b"400"),
        (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 700_000 + b"\r\n\r\n", b"431"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"414"),
        (b"POST /v1/comments HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", b"400"),
        (b"POST /v1/comments HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /v1/comments HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: gzip\r\n\r\n", b"400"),
        (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"200"),
    ],
)  # fmt: skip
def test_what_is_no_http_is_refused(wire: tuple[World, Served], data: bytes, status: bytes) -> None:
    """4xx, whatever bytes come in; the next request is served."""
    assert raw(wire[1], data).split(b" ")[1] == status
    assert raw(wire[1], b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").split(b" ")[1] == b"200"


def test_an_address_may_be_so_long(wire: tuple[World, Served]) -> None:
    """From 32 KiB on it is refused with a problem document."""
    connection = http.client.HTTPConnection("127.0.0.1", wire[1].port, timeout=20)
    statuses = []
    for length in (30_000, 40_000):
        connection.request("GET", "/v1/comments?site=blog&thread_key=page&x=" + "a" * length)
        answer = connection.getresponse()
        statuses.append((answer.status, json.loads(answer.read()).get("type")))
    connection.close()
    assert statuses == [(200, None), (414, "/docs/problems#uri-too-long")]


def _ask(served: Served, method: str, path: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return connection.getresponse()


def test_answers_without_content(wire: tuple[World, Served]) -> None:
    """HEAD tells the length of what GET sends; 304 has neither content nor length."""
    wire[0].published()
    path = "/v1/comments?site=blog&thread_key=page"
    got, head = _ask(wire[1], "GET", path), _ask(wire[1], "HEAD", path)
    assert (head.status, head.headers["Content-Length"], head.read()) == (200, str(len(got.read())), b"")
    same = _ask(wire[1], "GET", path, If_None_Match=got.headers["ETag"])
    assert (same.status, same.headers["Content-Length"], same.read()) == (304, None, b"")
    assert same.headers["ETag"] == got.headers["ETag"]


def test_a_body_that_is_asked_for_first(wire: tuple[World, Served]) -> None:
    """`Expect: 100-continue` is answered when the body is wanted; one that is too large is not."""
    head = (
        f"POST /v1/comments HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {wire[0].secret_key}\r\n"
        "Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: "
    )
    assert raw(wire[1], f"{head}100\r\n\r\n".encode()) == b"HTTP/1.1 100 Continue\r\n"
    assert raw(wire[1], f"{head}2000000\r\n\r\n".encode()) == b"HTTP/1.1 413 Payload Too Large\r\n"


def test_requests_one_behind_the_other(wire: tuple[World, Served]) -> None:
    """Sent at once over one connection, they are answered in their order."""
    asked = b"".join(b"GET /%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % path for path in (b"healthz", b"nowhere"))
    last = b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", wire[1].port), timeout=20) as line:
        line.sendall(asked + last)
        assert re.findall(rb"HTTP/1.1 (\d+)", line.makefile("rb").read()) == [b"200", b"404", b"200"]


def test_a_client_that_goes_away_leaves_nothing(wire: tuple[World, Served]) -> None:
    """Half a comment is none, with a length or in chunks, even if the half is JSON."""
    world, served = wire
    before = world.rows("SELECT count(*) FROM comity.comment")
    comment = json.dumps(world.comment()).encode()
    head = (
        f"POST /v1/comments HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {world.secret_key}\r\n"
        "Content-Type: application/json\r\n"
    ).encode()
    refused = served.statuses()[400]
    with socket.create_connection(("127.0.0.1", served.port)) as line:
        line.sendall(head + b"Content-Length: %d\r\n\r\n" % (len(comment) + 1) + comment)
    with socket.create_connection(("127.0.0.1", served.port)) as line:
        line.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(comment) + comment + b"\r\n")
    wait_for(lambda: served.statuses()[400] == refused + 2, 20, "both are given up")
    assert world.rows("SELECT count(*) FROM comity.comment") == before


def test_figures_stand_on_their_own_port(wire: tuple[World, Served]) -> None:
    """The API's port serves none; the other serves them, and nothing else of ours."""
    served = wire[1]
    assert raw(served, b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").split(b" ")[1] == b"404"
    assert served.statuses()[404] >= 1
