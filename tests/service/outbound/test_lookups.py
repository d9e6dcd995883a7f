"""Name servers that are slow for somebody's names, and what the others notice of it."""

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence

import pytest

from service.outbound import lookups
from service.outbound.client import Answer, Client
from service.outbound.guard import Guard
from tests.service.outbound.hostile import OK, answers, listening

GOOD = answers(OK + b"Content-Length: 0\r\n\r\n")


class SlowServers:
    """Says at once where `good.example` is, and of names that begin with slow nothing until it is let go on."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.now: Counter[str] = Counter()  # lookups that have not ended, by name
        self.begun = 0
        self.at_once = 0
        self._lock = threading.Lock()

    def __call__(self, host: str) -> Sequence[str]:
        if not host.startswith("slow"):
            return ["127.0.0.1"]
        with self._lock:
            self.begun += 1
            self.now[host] += 1
            self.at_once = max(self.at_once, self.now.total())
        self.go_on.wait(30)
        with self._lock:
            self.now[host] -= 1
        if host.startswith("slow-nowhere"):
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return ["127.0.0.1"]


@pytest.fixture
def servers() -> Iterator[SlowServers]:
    """Them; let go on at the end, so that no thread is left."""
    made = SlowServers()
    yield made
    made.go_on.set()


def run(servers: SlowServers, timeout: float, test: Callable[[Client, int], Awaitable[None]]) -> None:
    """Run a test with a client that asks these servers, and the port of a good receiver."""

    async def whole() -> None:
        async with listening(GOOD) as seen:
            guard = Guard(["127.0.0.0/8"], http=True, ports=[seen.port])
            async with Client(guard, timeout, look_up=servers) as client:
                await test(client, seen.port)

    asyncio.run(whole())


async def reached(condition: Callable[[], bool]) -> None:
    """Wait until it is so, for ten seconds at most."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def to(client: Client, host: str, port: int, whose: str | None) -> "asyncio.Task[Answer]":
    """A message that is on its way."""
    return asyncio.create_task(client.post(f"http://{host}:{port}/", {}, b"{}", whose))


async def quickly(client: Client, port: int, whose: str | None) -> bool:
    """Whether a message to a good name is answered within a second."""
    began = time.monotonic()
    answer = await client.post(f"http://good.example:{port}/", {}, b"{}", whose)
    return answer.status == 200 and time.monotonic() - began < 1.0


def test_a_slow_name_holds_two_threads_and_nobody_else(servers: SlowServers) -> None:
    """Forty messages to it: another of the same site goes at once; they go when it is found."""

    async def test(client: Client, port: int) -> None:
        stuck = [to(client, "slow.example", port, "blog") for _ in range(40)]
        await reached(lambda: servers.begun == lookups.OF_ONE_NAME)
        assert await quickly(client, port, "blog")
        assert servers.begun == lookups.OF_ONE_NAME
        servers.go_on.set()
        assert [(await task).status for task in stuck] == [200] * 40
        assert servers.begun == 40  # one for each message
        assert servers.at_once <= lookups.OF_ONE_NAME

    run(servers, 30.0, test)


def test_many_slow_names_of_one_site_hold_up_no_other_site(servers: SlowServers) -> None:
    """A hundred, found or not in the end: they get four threads, and another site's message goes at once."""

    async def test(client: Client, port: int) -> None:
        names = [f"slow{'-nowhere' if number % 2 else ''}-{number}.example" for number in range(100)]
        stuck = [to(client, name, port, "blog") for name in names]
        await reached(lambda: servers.begun == lookups.OF_ONE_ASKER)
        assert await quickly(client, port, "other")
        assert await quickly(client, port, None)
        assert servers.begun == lookups.OF_ONE_ASKER
        servers.go_on.set()
        found = [await task for task in stuck]
        assert [one.status or one.error for one in found] == [200, "dns"] * 50
        assert servers.at_once <= lookups.OF_ONE_ASKER

    run(servers, 30.0, test)


def test_a_message_waits_no_longer_than_it_may(servers: SlowServers) -> None:
    """Whether its lookup began or not; one that began holds its thread until it ends, and counts as long."""

    async def test(client: Client, port: int) -> None:
        for _ in range(3):
            stuck = [to(client, "slow.example", port, "blog") for _ in range(5)]
            assert {(await task).error for task in stuck} == {"timeout"}
            assert servers.begun == lookups.OF_ONE_NAME
        assert await quickly(client, port, "blog")
        servers.go_on.set()
        await reached(lambda: servers.now.total() == 0)
        assert (await to(client, "slow.example", port, "blog")).status == 200

    run(servers, 1.5, test)


def test_who_waits_for_a_name_keeps_none_of_it_from_others(servers: SlowServers) -> None:
    """A site whose own names are slow waits with a message to a name that others use too: theirs go."""

    async def test(client: Client, port: int) -> None:
        stuck = [to(client, f"slow-{number}.example", port, "blog") for number in range(lookups.OF_ONE_ASKER)]
        await reached(lambda: servers.begun == lookups.OF_ONE_ASKER)
        stuck += [to(client, "good.example", port, "blog") for _ in range(5)]
        await asyncio.sleep(0)
        assert await quickly(client, port, "other")
        assert not any(task.done() for task in stuck)
        servers.go_on.set()
        assert {(await task).status for task in stuck} == {200}

    run(servers, 30.0, test)
