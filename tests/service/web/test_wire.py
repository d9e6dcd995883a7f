"""Over a real connection to the real server: what Flask's own client cannot send."""

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from service import embedded
from service.web.routing import COMMENT_BYTES
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


def test_figures_stand_on_their_own_port(wire: tuple[World, Served]) -> None:
    """The API's port serves none; the other serves them, and nothing else of ours."""
    served = wire[1]
    assert raw(served, b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").split(b" ")[1] == b"404"
    assert served.statuses()[404] >= 1
