"""Clients that send or read slowly, many at once: they wait for themselves alone."""

import http.client
import json
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from service import embedded
from service.bodies import SECONDS
from tests.fuzz.serving import Served, serving
from tests.world import World

MANY = 500


@pytest.fixture(scope="module")
def web(new_database: Callable[[], str], servers: embedded.Servers, folder: Path) -> Iterator[tuple[World, Served]]:
    """A web process and the world it serves."""
    world = World.make(new_database(), servers.broker_url)
    with serving(world.owner_url, world.broker_url, folder / "slow.log", COMITY_LIMIT_AUTHOR="100000/60") as served:
        yield world, served
    world.close()


def _times(web: tuple[World, Served]) -> list[float]:
    """Seconds that /healthz and a comment take together, ten times, each over a connection of its own."""
    world, served = web
    headers = {"Authorization": f"Bearer {world.secret_key}", "Content-Type": "application/json"}
    found = []
    for _ in range(10):
        began = time.monotonic()
        for method, path, body in (("GET", "/healthz", None), ("POST", "/v1/comments", json.dumps(world.comment()))):
            connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=5)
            connection.request(method, path, body, headers)
            assert connection.getresponse().status in (200, 202)
            connection.close()
        found.append(time.monotonic() - began)
    return found


def _slow(served: Served, data: bytes) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", served.port), timeout=SECONDS + 20)
    line.sendall(data)
    return line


@pytest.mark.usefixtures("large")  # whose senders wait as long: it is waited once
def test_slow_senders_stop_nobody(web: tuple[World, Served]) -> None:
    """500 bodies of which one byte comes: the others do not notice; the slow ones get a 408 in the end."""
    head = b"POST /queue/sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n"
    head += b"Content-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Site: same-origin\r\n\r\nt"
    before = _times(web)
    with ExitStack() as stack:
        lines = [stack.enter_context(_slow(web[1], head)) for _ in range(MANY)]
        during = _times(web)
        assert statistics.median(during) - statistics.median(before) < 0.1
        answers = [line.makefile("rb").read() for line in lines]
    assert {answer.split(b"\r\n")[0] for answer in answers} == {b"HTTP/1.1 408 Request Timeout"}
    assert all(b"application/problem+json" in answer for answer in answers)


@pytest.fixture(scope="module")
def large(new_database: Callable[[], str], servers: embedded.Servers, folder: Path) -> Iterator["Large"]:
    """Another web process, and 40 who have begun to send it a megabyte each: they are given up while others are tried."""
    world = World.make(new_database(), servers.broker_url)
    with serving(world.owner_url, world.broker_url, folder / "large.log", COMITY_LIMIT_AUTHOR="100000/60") as served:
        yield Large(world, served)
    world.close()


class Large:
    """Forty who send all of a megabyte but its last byte, and wait for their answer. times: of others, meanwhile."""

    def __init__(self, world: World, served: Served) -> None:
        self._served = served
        self.answers: list[bytes] = []
        self._threads = [threading.Thread(target=self._send) for _ in range(40)]
        for thread in self._threads:
            thread.start()
        self.times = _times((world, served))

    def _send(self) -> None:
        head = b"POST /v1/comments/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1048576\r\n\r\n"
        with _slow(self._served, head + b" " * 1_048_575) as line:
            self.answers.append(line.makefile("rb").readline())

    def statuses(self) -> list[bytes]:
        """What each was answered in the end."""
        for thread in self._threads:
            thread.join()
        return [answer.split(b" ")[1] for answer in self.answers]


def test_large_slow_senders_hold_little(large: Large) -> None:
    """Of 40 bodies of a megabyte, all but the last byte sent, the oldest give way; comments came in all the while."""
    assert len(large.times) == 10
    statuses = large.statuses()
    assert len(statuses) == 40
    assert set(statuses) <= {b"408", b"503"}
    assert statuses.count(b"503") >= 40 - 16


def test_slow_readers_stop_nobody(web: tuple[World, Served]) -> None:
    """Twenty that ask for more than any buffer holds and read nothing: when all are stuck, the others are served."""
    before = _times(web)
    asked = b"GET /v1/openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 100
    with ExitStack() as stack:
        for _ in range(20):
            line = stack.enter_context(socket.socket())
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.connect(("127.0.0.1", web[1].port))
            line.sendall(asked)
        answered = _when_still(lambda: web[1].statuses()[200])
        assert answered < 20 * 100
        assert statistics.median(_times(web)) - statistics.median(before) < 0.1


def test_slow_senders_do_not_delay_a_stop(
    new_database: Callable[[], str], servers: embedded.Servers, folder: Path
) -> None:
    """The web process stops in order long before it would have given them up."""
    with serving(new_database(), servers.broker_url, folder / "stop.log") as served, ExitStack() as stack:
        for _ in range(5):
            head = b"POST /v1/comments HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{"
            stack.enter_context(_slow(served, head))
        time.sleep(0.3)
        began = time.monotonic()
        served.process.terminate()
        assert served.process.wait(30) == 0
        assert time.monotonic() - began < SECONDS / 2


def _when_still(count: Callable[[], int]) -> int:
    """What is counted, once it no longer grows."""
    seen = -1
    while (now := count()) != seen:
        seen = now
        time.sleep(0.5)
    return seen
