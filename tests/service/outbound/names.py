"""A name server on the loopback interface, and the smallest thing that asks it: real messages in real packets."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

#: The addresses of a name when it is asked for the nth time, beginning with 1.
Says = Callable[[str, int], Sequence[str]]


class _Served(asyncio.DatagramProtocol):
    def __init__(self, server: "NameServer") -> None:
        self._server = server

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, peer: Any) -> None:
        self._transport.sendto(self._server.answer(data), peer)


class _Asking(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, peer: Any) -> None:
        if not self.got.done():
            self.got.set_result(data)


class NameServer:
    """Answers A with what `says` gives for a name, with no lifetime (TTL 0), so that nobody may remember it."""

    def __init__(self, says: Says) -> None:
        self._says = says
        self.asked: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: _Served(self), ("127.0.0.1", 0))
        self._where = self._transport.get_extra_info("sockname")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()

    def answer(self, data: bytes) -> bytes:
        """The answer to one question."""
        query = dns.message.from_wire(data)
        name = query.question[0].name
        host = name.to_text(omit_final_dot=True)
        self.asked[host] += 1
        response = dns.message.make_response(query)
        found = list(self._says(host, self.asked[host]))
        if not found:
            response.set_rcode(dns.rcode.NXDOMAIN)
        for address in found:
            kind = "A" if ip_address(address).version == 4 else "AAAA"
            response.answer.append(dns.rrset.from_text(name, 0, "IN", kind, address))
        return response.to_wire()

    async def resolve(self, host: str) -> list[str]:
        """Ask once. Raises OSError for a name that is not there."""
        loop = asyncio.get_running_loop()
        transport, asking = await loop.create_datagram_endpoint(_Asking, remote_addr=self._where)
        try:
            transport.sendto(dns.message.make_query(host, "A").to_wire())
            response = dns.message.from_wire(await asking.got)
        finally:
            transport.close()
        if response.rcode() != dns.rcode.NOERROR:
            raise OSError("no such name")
        return [record.address for answer in response.answer for record in answer]
