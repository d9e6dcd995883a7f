"""No packet goes inward: not by URL, not by name, not by a name that changes its mind, not by a redirect.

Counted twice: by a listener on every address of this machine, and by the interpreter, which tells of each connect call.
"""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from ipaddress import ip_address
from typing import Any

import pytest

from service.outbound.client import Client
from service.outbound.guard import Forbidden, Guard, Place
from service.outbound.networks import Address
from tests.service.outbound.corpus import REBINDING, REFUSED
from tests.service.outbound.hostile import OK, answers, listening
from tests.service.outbound.names import NameServer

WORLD = "2606:4700:4700::1111"


class Witness:
    """Sees every TCP connection that this process tries to make, wherever to, and answers none of the world's.

    A connection outward is let fail at once: tests send no packet to anybody's server.
    """

    def __init__(self) -> None:
        self.tried: list[str] = []
        self.watching = False
        sys.addaudithook(self._hook)

    def _hook(self, event: str, details: tuple[Any, ...]) -> None:
        if not self.watching or event != "socket.connect":
            return
        there, where = details
        if there.type != socket.SOCK_STREAM:
            return
        self.tried.append(where[0])
        if not where[0].startswith("127."):
            raise OSError("this test does not go out")


WITNESS = Witness()


@pytest.fixture
def witness(everywhere: "Everywhere") -> Iterator[Witness]:
    """The interpreter's own account, for one test."""
    WITNESS.tried = []
    WITNESS.watching = True
    yield WITNESS
    WITNESS.watching = False


class Everywhere:
    """A listener on every address that this machine has, in both families."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET6)
        self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self._socket.bind(("::", 0))
        self._socket.listen(1000)
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]

    def inward(self) -> int:
        """How many connected; none waits in the queue afterwards."""
        count = 0
        while True:
            try:
                self._socket.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


@pytest.fixture
def everywhere() -> Iterator[Everywhere]:
    """One listener for one test; it hears what comes (tried first)."""
    made = Everywhere()
    with socket.create_connection(("127.0.0.1", made.port)), socket.create_connection(("::1", made.port)):
        assert made.inward() == 2
    yield made
    made.close()


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Run one test's coroutine."""
    asyncio.run(test())  # type: ignore[arg-type]


def test_no_url_of_the_corpus_leads_inward(witness: Witness, everywhere: Everywhere) -> None:
    """Five hundred URLs, https and http, on a port that is open and listened on; names all lead to this machine."""
    urls = [url.replace("{port}", str(everywhere.port)) for some in REFUSED.values() for url in some]
    urls += [f"https://{name}:{everywhere.port}/" for name in REBINDING]
    urls += [url.replace("https://", "http://", 1) for url in urls]

    async def test() -> None:
        guard = Guard(http=True, ports=[443, everywhere.port])
        async with (
            NameServer(lambda host, nth: ["127.0.0.1"]) as names,
            Client(guard, 5, resolve=names.resolve) as client,
        ):
            assert {(await client.post(url, {}, b"{}")).error for url in urls} == {"forbidden"}
        assert names.asked.total() > 0

    assert len(urls) > 900
    run(test)
    assert (witness.tried, everywhere.inward()) == ([], 0)


def test_every_url_of_the_corpus_is_answered_forbidden(everywhere: Everywhere) -> None:
    """The client's word for it; a few names of the corpus are taken once http and the port are, and fall by address."""

    async def test() -> None:
        async with (
            NameServer(lambda host, nth: ["127.0.0.1"]) as names,
            Client(Guard(), 5, resolve=names.resolve) as client,
        ):
            for url in [url for some in REFUSED.values() for url in some]:
                assert (await client.post(url.replace("{port}", "443"), {}, b"{}")).error == "forbidden"
            for name in REBINDING:
                assert (await client.post(f"https://{name}/", {}, b"{}")).error == "forbidden"

    run(test)


@pytest.mark.parametrize("outside", ["8.8.8.8", WORLD])
def test_a_name_that_changes_its_mind_is_asked_once(witness: Witness, everywhere: Everywhere, outside: str) -> None:
    """The first answer is of the world, the second of this machine: the checked address is the one connected to."""

    async def test() -> None:
        guard = Guard(http=True, ports=[everywhere.port])
        async with (
            NameServer(lambda host, nth: [outside if nth == 1 else "127.0.0.1"]) as names,
            Client(guard, 5, resolve=names.resolve) as client,
        ):
            url = guard.check_url(f"http://rebind.example:{everywhere.port}/hook")
            first = await client.post(url, {}, b"{}")
            assert (first.error, names.asked["rebind.example"], witness.tried) == ("connect", 1, [outside])
            second = await client.post(url, {}, b"{}")
            assert (second.error, names.asked["rebind.example"]) == ("forbidden", 2)

    run(test)
    assert (witness.tried, everywhere.inward()) == ([outside], 0)


def test_a_name_that_flips_at_random_never_leads_inward(witness: Witness, everywhere: Everywhere) -> None:
    """Two hundred deliveries to names whose every answer differs from the one before."""
    turns = (
        ["8.8.8.8"],
        ["127.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["127.0.0.1", "8.8.8.8"],
        ["1.1.1.1"],
        ["10.0.0.1"],
        [],
    )

    async def test() -> None:
        guard = Guard(http=True, ports=[everywhere.port])
        async with (
            NameServer(lambda host, nth: turns[nth % len(turns)]) as names,
            Client(guard, 5, resolve=names.resolve) as client,
        ):
            sent = [client.post(f"http://{n % 3}.flip.example:{everywhere.port}/", {}, b"{}") for n in range(200)]
            found = {answer.error for answer in await asyncio.gather(*sent)}
        assert found == {"forbidden", "connect", "dns"}
        assert names.asked.total() == 200

    run(test)
    assert (set(witness.tried), everywhere.inward()) == ({"8.8.8.8", "1.1.1.1"}, 0)


def test_one_bad_address_of_many_is_enough(witness: Witness) -> None:
    """A name with an address that may be reached and one that may not is not called at all."""

    async def test() -> None:
        async with listening(answers(OK + b"Content-Length: 0\r\n\r\n"), host="127.0.0.2") as seen:
            guard = Guard(["127.0.0.2"], http=True, ports=[seen.port])
            for order in (["127.0.0.2", "127.0.0.3"], ["127.0.0.3", "127.0.0.2"], ["127.0.0.2"] * 20 + ["10.0.0.1"]):
                async with (
                    NameServer(lambda host, nth, order=order: order) as names,  # type: ignore[misc]
                    Client(guard, 5, resolve=names.resolve) as client,
                ):
                    assert (await client.post(f"http://two.example:{seen.port}/", {}, b"")).error == "forbidden"
            assert (seen.connections, witness.tried) == (0, [])
            async with (
                NameServer(lambda host, nth: ["127.0.0.2"]) as names,
                Client(guard, 5, resolve=names.resolve) as client,
            ):
                assert (await client.post(f"http://two.example:{seen.port}/", {}, b"")).status == 200

    run(test)


def test_a_name_with_hundreds_of_addresses_is_tried_at_four(witness: Witness, everywhere: Everywhere) -> None:
    """All are checked; nobody makes us knock at a whole network's doors. The first that answers will do."""
    many = [f"127.0.{n}.1" for n in range(1, 251)]
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    async def test() -> None:
        guard = Guard(["127.0.0.0/8"], http=True, ports=[port, everywhere.port])
        async with (
            NameServer(lambda host, nth: many) as names,
            Client(guard, 5, resolve=names.resolve) as client,
        ):
            assert (await client.post(f"http://many.example:{port}/", {}, b"")).error == "connect"

    run(test)
    assert set(witness.tried) == set(many[:4])
    assert len(witness.tried) <= 10


class Careless(Guard):
    """A guard whose reader of URLs lets everything pass: as if a spelling had been found that it does not know."""

    def _place(self, place: str, default: int) -> tuple[str, Address | None, int]:
        host, _, port = place.rpartition(":")
        return host.strip("[]"), None, int(port)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "127.1", "2130706433", "0x7f.1", "localhost"]
)
def test_a_hole_in_the_reader_of_urls_is_no_way_in(witness: Witness, everywhere: Everywhere, host: str) -> None:
    """What the system makes of such a name is checked, by every address it gives."""

    async def test() -> None:
        async with Client(Careless(http=True, ports=[everywhere.port]), 5) as client:
            assert (await client.post(f"http://{host}:{everywhere.port}/", {}, b"")).error in ("forbidden", "dns")

    run(test)
    assert (witness.tried, everywhere.inward()) == ([], 0)


class Literal(Careless):
    """A guard that also takes any literal for checked: only the socket is left to ask."""

    def read(self, url: str) -> Place:
        place = super().read(url)
        return Place(url, place.host, place.port, None if place.host == "localhost" else ip_address(place.host))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
def test_the_socket_is_asked_again(witness: Witness, everywhere: Everywhere, host: str) -> None:
    """A literal is not looked up: the place where the socket is made is the last to say no, and says it."""

    async def test() -> None:
        async with Client(Literal(http=True, ports=[everywhere.port]), 5) as client:
            assert (await client.post(f"http://{host}:{everywhere.port}/", {}, b"")).error == "forbidden"

    run(test)
    assert (witness.tried, everywhere.inward()) == ([], 0)


class Twofold(Guard):
    """A guard whose reader takes another address out of a URL than the client library does."""

    def read(self, url: str) -> Place:
        place = super().read(url)
        return Place(place.url, "127.0.0.2", place.port, ip_address("127.0.0.2"))


def test_only_what_was_checked_is_connected_to(witness: Witness, everywhere: Everywhere) -> None:
    """Although the other address would be allowed as well: what was not read was not meant."""

    async def test() -> None:
        async with Client(Twofold(["127.0.0.0/8"], http=True, ports=[everywhere.port]), 5) as client:
            assert (await client.post(f"http://127.0.0.9:{everywhere.port}/", {}, b"")).error == "forbidden"

    run(test)
    assert (witness.tried, everywhere.inward()) == ([], 0)


def test_a_redirect_inward_sends_nothing_inward(witness: Witness, everywhere: Everywhere) -> None:
    """Even where the redirecting receiver itself may be reached."""

    async def test() -> None:
        for status in (301, 302, 303, 307, 308):
            to = b"HTTP/1.1 %d x\r\nLocation: http://127.0.0.3:%d/\r\nContent-Length: 0\r\n\r\n" % (
                status,
                everywhere.port,
            )
            async with (
                listening(answers(to), host="127.0.0.2") as seen,
                Client(Guard(["127.0.0.2"], http=True, ports=[seen.port, everywhere.port]), 5) as client,
            ):
                assert (await client.post(f"http://127.0.0.2:{seen.port}/", {}, b"")).status == status

    run(test)
    assert (set(witness.tried), everywhere.inward()) == ({"127.0.0.2"}, 0)


def test_the_guards_rules_are_asked_at_each_delivery() -> None:
    """What an operator no longer allows is not called, although it was saved when it was allowed."""
    url = Guard(["10.0.0.0/8"], http=True, ports=[8080]).check_url("http://10.0.0.7:8080/hook")
    with pytest.raises(Forbidden):
        Guard().check_url(url)
