"""One POST to a server that may be slow, broken or hostile: whatever it does, the caller gets an answer in time.

Each delivery resolves its name once, checks every address, and has a session and a connector of its own that connect
only to these: no connection, cookie or cached name outlives it.
"""

import asyncio
import contextlib
import re
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.http_exceptions import LineTooLong
from yarl import URL

from service import log
from service.outbound.guard import Forbidden, Guard, Place
from service.outbound.lookups import LookUp, Lookups, system
from service.outbound.retry_after import retry_after
from service.version import VERSION

#: Looks a name up: every address it has, as text. Raises OSError.
Resolve = Callable[[str], Awaitable[Sequence[str]]]

MOST_BODY = 64 * 1024  # bytes of an answer's body that are read
EXCERPT = 1024  # and kept
MOST_WIRE = 256 * 1024  # bytes that are taken from a socket at all: handshake, heads, bodies, chunks' frames
_MOST_TRIED = 4  # addresses of one name; all are checked
_OURS = re.compile(
    r"host|content-length|transfer-encoding|connection|user-agent|accept-encoding|expect|te|trailer|upgrade",
    re.IGNORECASE,
)
_FIELD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")

_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one POST: either a status, or an error.

    `status`: of the answer, as soon as its head was read; what is wrong with the rest changes nothing, unless it came
    broken in one piece with the head. None: there was none, and `error` says why: dns, forbidden, connect (or broken
    before an answer), tls, timeout, protocol, too_large.
    `took`: seconds. `retry_after`: seconds the receiver wishes to be left alone, a day at most. `excerpt`: the first
    1,024 bytes of the body, as they came.
    """

    status: int | None
    took: float
    retry_after: float | None = None
    excerpt: bytes = b""
    error: str | None = None


class _TooLarge(OSError):
    """Raised when a receiver sends more than is read."""


class _Inward(OSError):
    """Raised when a socket would lead where nothing may go; of a kind that the connector lets through."""


class _Socket(socket.socket):
    """A socket that takes so many bytes from its peer and no more.

    Endless heads, interim answers and frames of chunks are no body, and the client library takes them in without end.
    """

    left = MOST_WIRE

    def recv(self, *args: Any) -> bytes:
        """As a socket's own. Raises _TooLarge."""
        data = super().recv(*args)
        self._took(len(data))
        return data

    def recv_into(self, *args: Any) -> int:
        """As a socket's own. Raises _TooLarge."""
        count = super().recv_into(*args)
        self._took(count)
        return count

    def _took(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise _TooLarge("the receiver sends too much")


class _Pinned(AbstractResolver):
    """Gives the connector the addresses that were checked, for the one name they were checked for."""

    def __init__(self, place: Place, addresses: Sequence[str]) -> None:
        self._place = place
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The checked addresses. Raises OSError for another name."""
        if host != self._place.host:
            raise OSError("another name than the one that was checked")
        return [
            ResolveResult(hostname=host, host=one, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)
            for one in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


class Client:
    """Sends to what `guard` allows. An async context manager; `post` may run many times at once in one event loop.

    `timeout`: seconds for everything, from looking up the name to the last byte read. `look_up` (in a thread),
    `resolve` (in its place, on the loop) and `tls` are for those who look names up, or trust, otherwise than the system
    does.
    """

    def __init__(
        self,
        guard: Guard,
        timeout: float = 15.0,
        user_agent: str = f"Comity/{VERSION}",
        *,
        look_up: LookUp = system,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._guard = guard
        self._timeout = timeout
        self._own = {"User-Agent": user_agent, "Accept-Encoding": "identity"}
        self._names = Lookups(look_up)
        self._resolve = resolve
        self._tls = tls or ssl.create_default_context()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._names.close()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, whose: str | None = None) -> Answer:
        """Send `body` once. Nothing that a receiver or a name server does raises.

        `whose`: name servers that are slow for one hold up nobody else; None: only those who send to the same name.
        Raises ValueError for a header field that cannot be sent, or that is this client's to write.
        """
        sent = self._fields(headers)
        began = time.monotonic()
        attempt = _Attempt()
        try:
            async with asyncio.timeout(self._timeout):
                await self._send(url, sent, body, whose, attempt)
            error = None
        except TimeoutError:
            error = "timeout"
        except Exception as caught:
            error = _word(caught)
            if error is None:
                _log.warning("answer_unreadable", kind=type(caught).__name__)
                error = "protocol"
        took = time.monotonic() - began
        if attempt.status is None:
            return Answer(None, took, error=error or "protocol")
        return Answer(attempt.status, took, attempt.retry_after, bytes(attempt.body[:EXCERPT]))

    def _fields(self, headers: Mapping[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if _FIELD.fullmatch(name) is None or _VALUE.fullmatch(value) is None or _OURS.fullmatch(name):
                raise ValueError("a header field's name or value is none that may be sent")
        return {**headers, **self._own}

    async def _send(
        self, url: str, headers: Mapping[str, str], body: bytes, whose: str | None, attempt: "_Attempt"
    ) -> None:
        place = self._guard.read(url)
        addresses = await self._addresses(place, whose)
        connector = aiohttp.TCPConnector(
            resolver=_Pinned(place, addresses),
            use_dns_cache=False,
            socket_factory=lambda info: self._socket(info, addresses),
            ssl=self._tls,
            force_close=True,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            auto_decompress=False,
            trust_env=False,
            read_bufsize=MOST_BODY // 4,
            max_headers=MOST_WIRE,  # the socket's bound comes first
        )
        async with session:
            answer = await session.post(URL(place.url, encoded=True), data=body, headers=headers, allow_redirects=False)
            with contextlib.closing(answer):
                attempt.status = answer.status
                attempt.retry_after = retry_after(answer.headers.get("Retry-After"), time.time())
                async for piece in answer.content.iter_any():
                    attempt.body += piece
                    if len(attempt.body) >= MOST_BODY:
                        return

    async def _addresses(self, place: Place, whose: str | None) -> Sequence[str]:
        """Where `place` may be reached. Raises Forbidden when one of its addresses is not allowed, OSError for none."""
        if place.literal is not None:
            return [str(place.literal)]
        try:
            found = list(dict.fromkeys(await self._look_up(place.host, whose)))
        except (OSError, UnicodeError) as error:
            raise _NoName from error
        if not found:
            raise _NoName
        for address in found:
            self._guard.check_address(address)
        return found[:_MOST_TRIED]

    async def _look_up(self, host: str, whose: str | None) -> Sequence[str]:
        return await (self._names.of(host, whose) if self._resolve is None else self._resolve(host))

    def _socket(self, info: Any, addresses: Sequence[str]) -> socket.socket:
        """The socket to one address, the last place where it can be asked whether it may be reached."""
        family, kind, protocol, _, where = info
        try:
            self._guard.check_address(where[0])
        except Forbidden as error:
            raise _Inward(error.code) from error
        if where[0] not in addresses:
            raise _Inward("address")
        return _Socket(family, kind, protocol)


@dataclass(slots=True)
class _Attempt:
    """What is known of one delivery so far."""

    status: int | None = None
    retry_after: float | None = None
    body: bytearray = field(default_factory=bytearray)


class _NoName(Exception):
    """Raised when a name has no address, or nobody says which."""


def _word(error: BaseException) -> str | None:
    """The short word for what went wrong, or None for what nobody thought of."""
    chain = list(_causes(error))
    for word, kinds in _WORDS:
        if any(isinstance(one, kinds) for one in chain):
            return word
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and what it came from, the parts of joined ones too."""
    found: BaseException | None = error
    while found is not None:
        yield found
        if isinstance(found, aiohttp.ClientConnectorError):
            yield found.os_error
        found = found.__cause__ or found.__context__


_WORDS: tuple[tuple[str, tuple[type[BaseException], ...]], ...] = (
    ("forbidden", (Forbidden, _Inward)),
    ("dns", (_NoName, aiohttp.ClientConnectorDNSError)),
    ("too_large", (_TooLarge, LineTooLong)),
    ("tls", (ssl.SSLError, aiohttp.ClientSSLError)),
    ("protocol", (aiohttp.ClientResponseError, aiohttp.ClientPayloadError)),
    ("connect", (aiohttp.ClientConnectionError, OSError)),
    ("protocol", (aiohttp.ClientError,)),
)
