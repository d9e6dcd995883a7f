"""One POST over real sockets: to good receivers, to every bad one, and over TLS."""

import asyncio
import gc
import json
import logging
import os
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from service.outbound.client import EXCERPT, MOST_BODY, Answer, Client
from service.outbound.guard import Guard
from service.outbound.retry_after import retry_after
from tests.service.outbound.hostile import HOSTILE, OK, Listening, answers, listening, silent

HERE = ["127.0.0.0/8", "::1"]
TRUSTED = trustme.CA()
PLAIN = ssl.create_default_context()  # reading the system's authorities takes a while


def run(test: Callable[[], Awaitable[Any]]) -> None:
    """Run one test's coroutine; what the loop complains about, or forgets, fails it."""
    complaints: list[Any] = []

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
        await test()
        await asyncio.sleep(0)
        gc.collect()

    gc.freeze()  # so that only what this test made is looked through
    asyncio.run(watched())
    gc.unfreeze()
    assert complaints == []


def here(seen: Listening, **more: Any) -> Guard:
    """A guard that lets through to one receiver."""
    return Guard(HERE, http=True, ports=[seen.port], **more)


async def post(seen: Listening, timeout: float = 15.0, headers: dict[str, str] | None = None) -> Answer:
    """One delivery to a receiver of plain HTTP."""
    async with Client(here(seen), timeout, tls=PLAIN) as client:
        return await client.post(f"http://127.0.0.1:{seen.port}/hook", headers or {}, b'{"a":1}')


def test_a_delivery_arrives_as_it_was_given() -> None:
    """The bytes of the body, the fields, who we are; nothing about compression, nothing kept."""

    async def test() -> None:
        async with listening(answers(OK + b"Content-Length: 5\r\n\r\nhello")) as seen:
            answer = await post(seen, headers={"Content-Type": "application/json", "webhook-id": "msg_1"})
        head, _, body = seen.requests[0].partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        assert lines[0] == "POST /hook HTTP/1.1"
        assert body == b'{"a":1}'
        fields = dict(line.split(": ", 1) for line in lines[1:])
        assert fields.pop("User-Agent").startswith("Comity/")
        assert fields == {
            "Host": f"127.0.0.1:{seen.port}", "Content-Type": "application/json", "webhook-id": "msg_1", "Accept-Encoding": "identity",
            "Accept": "*/*", "Content-Length": "7", "Connection": "close",
        }  # fmt: skip
        assert (answer.status, answer.error, answer.excerpt, answer.retry_after) == (200, None, b"hello", None)
        assert 0 < answer.took < 5

    run(test)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_bad_receiver_gets_one_answer_in_time(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is raised, nothing is logged, no more is read than is wanted, and the time is kept."""
    behave, expected, slow = HOSTILE[name]
    limit = 0.6 if slow else 15.0

    async def test() -> None:
        async with listening(behave) as seen:
            before = time.monotonic()
            answer = await post(seen, timeout=limit)
            took = time.monotonic() - before
        assert (answer.status or answer.error) == expected
        assert (answer.status is None) is (answer.error is not None)
        assert len(answer.excerpt) <= EXCERPT
        assert (answer.took > limit - 0.1) is slow
        assert took < limit + 1
        assert seen.connections == 1

    with caplog.at_level(logging.DEBUG):
        run(test)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_what_is_kept_of_an_answer() -> None:
    """The first kilobyte as it came, not unpacked; the socket is left when 64 KiB were read."""

    async def test() -> None:
        body = os.urandom(3 * MOST_BODY)
        async with listening(answers(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)) as seen:
            answer = await post(seen)
        assert (answer.status, answer.excerpt) == (200, body[:EXCERPT])
        async with listening(HOSTILE["a bomb"][0]) as seen:
            assert (await post(seen)).excerpt.startswith(b"\x1f\x8b")

    run(test)


def test_nobody_there_and_nobody_who_answers_the_door() -> None:
    """A closed port, a name that is not there, and a queue that nobody takes connections from."""

    async def test() -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        async with Client(Guard(HERE, http=True, ports=[port]), 5) as client:
            assert (await client.post(f"http://127.0.0.1:{port}/", {}, b"")).error == "connect"
            assert (await client.post(f"http://nowhere.invalid:{port}/", {}, b"")).error == "dns"
            assert (await client.post("http://10.0.0.1/", {}, b"")).error == "forbidden"
            assert (await client.post("not a URL", {}, b"")).error == "forbidden"
        with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
            port = deaf.getsockname()[1]
            waiting = [socket.socket() for _ in range(4)]
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            async with Client(Guard(HERE, http=True, ports=[port]), 0.5) as client:
                assert (await client.post(f"http://127.0.0.1:{port}/", {}, b"")).error == "timeout"
            for one in waiting:
                one.close()

    run(test)


def test_a_name_server_that_is_broken_or_slow() -> None:
    """No address, no name, nonsense or no answer at all."""

    async def slow(host: str) -> list[str]:
        await asyncio.sleep(60)
        return []

    async def nothing(host: str) -> list[str]:
        return []

    async def broken(host: str) -> list[str]:
        raise UnicodeError

    async def nonsense(host: str) -> list[str]:
        return ["nonsense"]

    async def test() -> None:
        for resolve, word in ((nothing, "dns"), (broken, "dns"), (nonsense, "forbidden"), (slow, "timeout")):
            async with Client(Guard(), 0.3, resolve=resolve) as client:
                assert (await client.post("https://hooks.example/", {}, b"")).error == word

    run(test)


def test_a_slow_receiver_holds_up_no_other() -> None:
    """Fifty that say nothing, and one that answers at once."""

    async def test() -> None:
        good = answers(OK + b"Content-Length: 0\r\n\r\n")
        async with (
            listening(silent) as slow,
            listening(good) as fast,
            Client(Guard(HERE, http=True, ports=[slow.port, fast.port]), 1.5) as client,
        ):
            stuck = [asyncio.create_task(client.post(f"http://127.0.0.1:{slow.port}/", {}, b"")) for _ in range(50)]
            while slow.connections < 50:
                await asyncio.sleep(0.01)
            answer = await client.post(f"http://127.0.0.1:{fast.port}/", {}, b"")
            assert (answer.status, [task.done() for task in stuck]) == (200, [False] * 50)
            assert {(await task).error for task in stuck} == {"timeout"}

    run(test)


def test_no_socket_outlives_its_delivery() -> None:
    """Every receiver in turn, and as many open files as before."""

    async def test() -> None:
        for behave, _, _ in HOSTILE.values():
            async with listening(behave) as seen:
                await post(seen, timeout=0.2)
        gc.collect()

    before = len(list(Path("/proc/self/fd").iterdir()))
    run(test)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_nothing_is_carried_from_one_delivery_to_the_next() -> None:
    """No connection, so no second answer that waited in it; no cookie."""

    async def test() -> None:
        first = OK + b"Set-Cookie: a=b; Path=/\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"
        async with (
            listening(answers(first + b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")) as seen,
            Client(here(seen)) as client,
        ):
            for _ in range(3):
                assert (await client.post(f"http://localhost:{seen.port}/hook", {}, b"x")).status == 200
        assert seen.connections == 3
        assert not any(b"cookie" in request.lower() for request in seen.requests)

    run(test)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(status: int) -> None:
    """Neither inward nor to where it came from."""

    async def test() -> None:
        async with listening(silent) as target:
            to = b"HTTP/1.1 %d x\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n" % (status, target.port)
            async with (
                listening(answers(to)) as seen,
                Client(Guard(HERE, http=True, ports=[seen.port, target.port]), 3) as client,
            ):
                answer = await client.post(f"http://127.0.0.1:{seen.port}/hook", {}, b"x")
        assert (answer.status, target.connections, seen.connections) == (status, 0, 1)

    run(test)


def test_no_proxy_and_no_password_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """HTTP_PROXY, ALL_PROXY and a .netrc are none of ours."""
    (tmp_path / ".netrc").write_text("default login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))

    async def test() -> None:
        async with listening(silent) as proxy, listening(answers(OK + b"Content-Length: 0\r\n\r\n")) as seen:
            for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            assert (await post(seen)).status == 200
        assert (proxy.connections, seen.connections) == (0, 1)
        assert b"authorization" not in seen.requests[0].lower()

    run(test)


INJECTED = [
    {"a\r\nb": "c"}, {"a": "b\r\nHost: c"}, {"a": "b\nc"}, {"a": "b\rc"}, {"a": "b\0c"}, {"": "b"}, {"a b": "c"}, {"a:": "b"}, {"a": ""}, {"a": " b"}, {"a": "b "},
    {"a": "é"}, {"é": "a"}, {"Host": "x"}, {"host": "x"}, {"Content-Length": "0"}, {"Transfer-Encoding": "chunked"}, {"Connection": "x"}, {"USER-AGENT": "x"},
    {"Expect": "100-continue"}, {"a": "b\x7f"}, {"a\t": "b"}, {"a": "b\u2028c"}, {"Accept-Encoding": "gzip"}, {"TE": "x"}, {"Upgrade": "x"},
]  # fmt: skip


@pytest.mark.parametrize("headers", INJECTED, ids=ascii)
def test_a_header_cannot_smuggle_another(headers: dict[str, str]) -> None:
    """It is refused before a connection is made: this is a fault of ours, not of the receiver's."""

    async def test() -> None:
        async with listening(silent) as seen:
            with pytest.raises(ValueError):
                await post(seen, headers=headers)
        assert seen.connections == 0

    run(test)


# How long to wait ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None), ("0", 0), ("120", 120), ("86400", 86400), ("86401", 86400), ("9" * 60, 86400), ("9" * 70, None), ("-1", None), ("1.5", None),
        ("1e3", None), ("soon", None), ("", None), ("１２", None), ("²", None), (formatdate(1000 + 60, usegmt=True), 60), (formatdate(1000 - 60, usegmt=True), 0),
        (formatdate(1000 + 900_000, usegmt=True), 86400), ("Thu, 01 Jan 1970 00:17:40 -0000", 60), ("Fri, 31 Dec 9999 23:59:59 GMT", 86400),
        ("Fri, 99 Dec 2025 23:59:59 GMT", None), ("Thu, 01 Jan 0100 00:00:00 +2359", 0), ("Thu, 01 Jan 1970 00:17:40 +9999999999", None),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date_and_a_day_at_most(value: str | None, seconds: float | None) -> None:
    """What is neither says nothing."""
    assert retry_after(value, 1000.0) == seconds


@given(st.text(max_size=70))
def test_any_retry_after_is_read(value: str) -> None:
    """Into something from nothing to a day."""
    found = retry_after(value, 1e9)
    assert found is None or 0 <= found <= 86_400


def test_retry_after_comes_with_the_answer() -> None:
    """Of the first such field."""

    async def test() -> None:
        data = b"HTTP/1.1 503 No\r\nRetry-After: 7\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n"
        async with listening(answers(data)) as seen:
            answer = await post(seen)
        assert (answer.status, answer.retry_after) == (503, 7)

    run(test)


# TLS ------------------------------------------------------------------------------------------------------------------------


async def hooks_here(host: str) -> list[str]:
    """A name server that knows every name as this machine's."""
    return ["127.0.0.1"]


def trusting() -> ssl.SSLContext:
    """What the client takes by default, and the tests' own authority."""
    context = ssl.create_default_context()
    TRUSTED.configure_trust(context)
    return context


@pytest.fixture
def cases() -> Iterator[Any]:
    """Certificates by what is wrong with them."""
    stranger = trustme.CA()
    return {
        "good": (TRUSTED.issue_cert("hooks.example"), trusting(), None),
        "of another name": (TRUSTED.issue_cert("other.example"), trusting(), "tls"),
        "of a name above": (TRUSTED.issue_cert("example"), trusting(), "tls"),
        "of an unknown authority": (stranger.issue_cert("hooks.example"), trusting(), "tls"),
        "of an authority that only we know": (TRUSTED.issue_cert("hooks.example"), None, "tls"),
    }


def test_a_certificate_is_checked_by_authority_and_name(cases: Any) -> None:
    """A good one is taken; of a bad one's receiver nothing is learnt but that it is bad."""

    async def test() -> None:
        for name, (certificate, trust, error) in cases.items():
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            async with (
                listening(answers(OK + b"Content-Length: 0\r\n\r\n"), tls=context) as seen,
                Client(Guard(HERE, ports=[seen.port]), resolve=hooks_here, tls=trust) as client,
            ):
                answer = await client.post(f"https://hooks.example:{seen.port}/", {}, b"secret")
            assert (name, answer.error, answer.status) == (name, error, None if error else 200)
            assert bool(seen.requests) is (error is None)

    run(test)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_tls_and_what_is_no_tls_is_refused() -> None:
    """A receiver of plain HTTP behind https, and one that speaks what nobody should."""

    async def test() -> None:
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        TRUSTED.issue_cert("hooks.example").configure_cert(old)
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        for tls in (None, old):
            async with (
                listening(HOSTILE["answers at once"][0], tls=tls) as seen,
                Client(Guard(HERE, ports=[seen.port]), resolve=hooks_here, tls=trusting()) as client,
            ):
                answer = await client.post(f"https://hooks.example:{seen.port}/", {}, b"secret")
            assert (answer.status, seen.requests) == (None, [])
            # A server that hangs up on our greeting may do so before its alert is read.
            assert answer.error in (("tls", "connect") if tls is old else ("tls",))
        async with listening(silent) as seen, Client(Guard(HERE, ports=[seen.port]), 0.5, resolve=hooks_here) as client:
            assert (await client.post(f"https://hooks.example:{seen.port}/", {}, b"")).error == "timeout"

    run(test)


@pytest.mark.parametrize(
    "name",
    [
        "endless body",
        "endless headers",
        "endless interim answers",
        "endless trailers",
        "drips its body",
        "resets in the body",
    ],
)
def test_a_bad_receiver_is_as_bad_over_tls(name: str) -> None:
    """The same bounds hold inside."""
    behave, expected, slow = HOSTILE[name]

    async def test() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        TRUSTED.issue_cert("hooks.example").configure_cert(context)
        async with listening(behave, tls=context) as seen:
            guard = Guard(HERE, ports=[seen.port])
            async with Client(guard, 0.6 if slow else 15.0, resolve=hooks_here, tls=trusting()) as client:
                answer = await client.post(f"https://hooks.example:{seen.port}/", {}, json.dumps({}).encode())
        assert (answer.status or answer.error, answer.took < 5) == (expected, True)

    run(test)
