"""Receivers as they are on bad days: each a few lines over a real socket."""

import asyncio
import gzip
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Listening:
    """A receiver: its port, how many connected, what they sent, and how many bytes were sent to them."""

    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    sent: int = 0


@asynccontextmanager
async def listening(
    behave: Behaviour, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Listening]:
    """A receiver that behaves so, to every connection."""
    seen = Listening()
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        seen.connections += 1
        _count(writer, seen)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            if behave not in AT_ONCE:
                seen.requests.append(await request(reader))
            await behave(reader, writer)
        writer.transport.abort()

    server = await asyncio.start_server(connected, host, 0, ssl=tls)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _count(writer: asyncio.StreamWriter, seen: Listening) -> None:
    write = writer.write

    def counted(data: bytes) -> None:
        seen.sent += len(data)
        write(data)

    writer.write = counted  # type: ignore[method-assign]


async def request(reader: asyncio.StreamReader) -> bytes:
    """One request, whole."""
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
    return head + await reader.readexactly(int(fields[b"content-length"]))


def answers(data: bytes) -> Behaviour:
    """Sends these bytes, and hangs up in order."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if writer.can_write_eof():  # not over TLS
            writer.write_eof()
        await reader.read()

    return behave


def stalls(data: bytes) -> Behaviour:
    """Sends these bytes, and then nothing more."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        await reader.read()

    return behave


def repeats(begin: bytes, again: bytes, pause: float = 0.0) -> Behaviour:
    """Sends `begin`, then `again` without end: as fast as it is taken, or after a pause of so many seconds each time."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begin)
        while not writer.is_closing():
            writer.write(again)
            await writer.drain()
            await asyncio.sleep(pause)  # over TLS a lost connection is not told by draining

    return behave


def drips(begin: bytes, again: bytes) -> Behaviour:
    """Sends `begin`, then `again` every tenth of a second."""
    return repeats(begin, again, 0.1)


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes everything and says nothing."""
    await reader.read()


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Closes without a word."""
    writer.close()


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Resets the connection after the request."""
    reset(writer)


async def resets_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Resets the connection before it read anything."""
    reset(writer)


async def answers_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers before it read anything."""
    writer.write(OK + b"Content-Length: 0\r\n\r\n")
    await writer.drain()
    await reader.read()


async def resets_in_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Begins a body, and resets."""
    writer.write(OK + b"Content-Length: 100\r\n\r\nbegun")
    await writer.drain()
    await asyncio.sleep(0.2)
    reset(writer)


def reset(writer: asyncio.StreamWriter) -> None:
    """RST instead of FIN."""
    there = writer.get_extra_info("socket")
    there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


AT_ONCE = (resets_at_once, answers_at_once)

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BOMB = gzip.compress(bytes(10_000_000))

#: What each does, and what is made of it: the status, or the word for what went wrong, and whether only time ends it.
HOSTILE: dict[str, tuple[Behaviour, int | str, bool]] = {
    "silent": (silent, "timeout", True),
    "hangs up": (hangs_up, "connect", False),
    "resets": (resets, "connect", False),
    "resets at once": (resets_at_once, "connect", False),
    "drips its status line": (drips(b"", b"H"), "protocol", False),
    "drips a header": (drips(OK + b"X: ", b"x"), "timeout", True),
    "drips headers": (drips(OK, b"X: x\r\n"), "timeout", True),
    "drips interim answers": (drips(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"), "timeout", True),
    "endless header": (repeats(OK + b"X: ", b"x" * 1000), "too_large", False),
    "endless headers": (repeats(OK, b"X: x\r\n" * 100), "too_large", False),
    "endless header name": (repeats(OK, b"x" * 1000), "too_large", False),
    "endless reason": (repeats(b"HTTP/1.1 200 ", b"x" * 1000), "too_large", False),
    "endless interim answers": (repeats(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100), "too_large", False),
    "endless empty lines": (repeats(b"", b"\r\n" * 1000), "too_large", False),
    "endless body": (repeats(OK + b"\r\n", b"x" * 10_000), 200, False),
    "huge body": (repeats(OK + b"Content-Length: 999999999999\r\n\r\n", b"x" * 10_000), 200, False),
    "endless chunks": (repeats(CHUNKED, b"400\r\n" + b"x" * 1024 + b"\r\n"), 200, False),
    "chunks of one byte": (repeats(CHUNKED, b"1\r\nx\r\n" * 1000), 200, False),
    "endless chunk extension": (repeats(CHUNKED + b"1;x=", b"x" * 1000), 200, False),
    "endless trailers": (repeats(CHUNKED + b"1\r\nx\r\n0\r\n", b"X: x\r\n" * 100), 200, False),
    "stalls after 64 KiB": (stalls(OK + b"Content-Length: 65537\r\n\r\n" + b"x" * 65536), 200, False),
    "stalls before 64 KiB": (stalls(OK + b"Content-Length: 65536\r\n\r\n" + b"x" * 65535), 200, True),
    "drips its body": (drips(OK + b"\r\n", b"x"), 200, True),
    "drips its error": (drips(b"HTTP/1.1 500 Oh\r\nContent-Length: 99999\r\n\r\n", b"x"), 500, True),
    "resets in the body": (resets_in_the_body, 200, False),
    "short body": (answers(OK + b"Content-Length: 100\r\n\r\nbegun"), 200, False),
    "bad chunk size": (answers(CHUNKED + b"xyz\r\nabc\r\n"), "protocol", False),
    "negative chunk size": (answers(CHUNKED + b"-1\r\nabc\r\n"), "protocol", False),
    "huge chunk size": (answers(CHUNKED + b"f" * 40 + b"\r\nabc\r\n"), "protocol", False),
    "cut chunk": (answers(CHUNKED + b"400\r\nabc"), 200, False),
    "a bomb": (answers(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB), 200, False),
    "no gzip": (answers(OK + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"), 200, False),
    "unknown coding": (answers(OK + b"Content-Encoding: zstd, br\r\nContent-Length: 3\r\n\r\nabc"), 200, False),
    "answers at once": (answers_at_once, 200, False),
    "two answers": (answers((OK + b"Content-Length: 2\r\n\r\nok") * 2), 200, False),
    "another protocol": (answers(b"SSH-2.0-OpenSSH_9.9\r\n"), "protocol", False),
    "redis": (answers(b"-ERR unknown command\r\n"), "protocol", False),
    "mail": (answers(b"220 mail ESMTP\r\n"), "protocol", False),
    "http 0.9": (answers(b"<html></html>"), "protocol", False),
    "nothing but zeros": (answers(bytes(10_000)), "protocol", False),
    "bytes": (answers(bytes(range(256)) * 50), "protocol", False),
    "word for a status": (answers(b"HTTP/1.1 abc OK\r\n\r\n"), "protocol", False),
    "long status": (answers(b"HTTP/1.1 99999 OK\r\n\r\n"), "protocol", False),
    "negative length": (answers(OK + b"Content-Length: -5\r\n\r\n"), "protocol", False),
    "two lengths": (answers(OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"), "protocol", False),
    "zero in a header": (answers(OK + b"X: a\0b\r\nContent-Length: 0\r\n\r\n"), "protocol", False),
    "upgrade": (answers(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nwhatever"), 101, False),
    "no content": (answers(b"HTTP/1.1 204 No\r\n\r\n"), 204, False),
    "gone": (answers(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"), 410, False),
    "body without a length": (answers(OK + b"\r\nhello"), 200, False),
    "interim, then good": (
        answers(b"HTTP/1.1 103 x\r\nLink: y\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n"),
        200,
        False,
    ),
}
