"""Which network addresses belong to the world at large, and which IPv4 addresses hide inside IPv6 ones.

The tables are IANA's registries of special purposes (RFC 6890), written out: what Python's `is_global` says changes
from release to release. An IPv6 address outside 2000::/3 is refused, so new ranges are closed until they are known.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(word) for word in text.split())


#: Of this machine, of its neighbours and of the cloud it stands in: no operator can open these.
NEVER = _networks(
    "0.0.0.0/8 169.254.0.0/16 224.0.0.0/4 255.255.255.255/32 100.100.100.200/32 168.63.129.16/32 192.0.0.192/32 "
    "::/128 fe80::/10 ff00::/8 fd00:ec2::/32 fd20:ce::/32"
)
#: Not of the world: private, shared, loopback, for protocols, documents and measuring, old relays, reserved.
_INWARD_4 = _networks(
    "10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 "
    "198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4"
)
_WORLD_6 = IPv6Network("2000::/3")
#: Inside 2000::/3 and not of the world: for protocols (Teredo too), documents, 6to4, the old 6bone.
_INWARD_6 = _networks("2001::/23 2001:db8::/32 2002::/16 3ffe::/16 3fff::/20")

_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
_LAST_32_BITS = (IPv6Network("::/96"), IPv6Network("::ffff:0:0:0/96"), _NAT64)  # compatible, translated, NAT64
_6TO4 = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")
_LOOPBACK_6 = IPv6Address("::1")
_ISATAP = (0x00005EFE, 0x02005EFE)


def plain(address: Address) -> Address:
    """The IPv4 address that a kernel connects to for a mapped one (::ffff:a.b.c.d); any other as it is."""
    if address in _MAPPED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_of_the_world(address: Address) -> bool:
    """Whether anybody may own `address`, by itself; what it carries is asked of `carried`."""
    if isinstance(address, IPv4Address):
        return not _in(address, _INWARD_4)
    return address in _NAT64 or (address in _WORLD_6 and not _in(address, _INWARD_6))


def is_never_open(address: Address) -> bool:
    """Whether no setting lets us connect to `address`: link-local, multicast, unspecified, a cloud's own services."""
    return _in(address, NEVER)


def _in(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


def carried(address: Address) -> Iterator[IPv4Address]:
    """Every IPv4 address that a gateway may take out of an IPv6 one and send a packet to.

    RFC 4291 2.5.5 (compatible), 2765 (translated), 6052 (NAT64), 8215 (its local prefix, at every place of RFC 6052),
    3056 (6to4), 4380 (Teredo: server, and the client turned over), 5214 (ISATAP, under any prefix).
    """
    if isinstance(address, IPv4Address) or address == _LOOPBACK_6:
        return
    bits = int(address)
    if _in(address, _LAST_32_BITS) or bits >> 32 & 0xFFFFFFFF in _ISATAP:
        yield IPv4Address(bits & 0xFFFFFFFF)
    if address in _6TO4:
        yield IPv4Address(bits >> 80 & 0xFFFFFFFF)
    if address in _TEREDO:
        yield IPv4Address(bits >> 64 & 0xFFFFFFFF)
        yield IPv4Address(~bits & 0xFFFFFFFF)
    if address in _LOCAL_NAT64:
        yield from _rfc6052(bits)


def _rfc6052(bits: int) -> Iterator[IPv4Address]:
    """What prefixes of 48, 56, 64 and 96 bits leave, octet 8 left out; only where the rest is zero, else every one."""
    packed = bits.to_bytes(16)
    places = [((6, 7, 9, 10), 11), ((7, 9, 10, 11), 12), ((9, 10, 11, 12), 13), ((12, 13, 14, 15), 16)]
    found = [(bytes(packed[at] for at in octets), not any(packed[rest:])) for octets, rest in places]
    fitting = [octets for octets, zero in found if zero and octets != bytes(4)]
    yield from (IPv4Address(octets) for octets in fitting or [octets for octets, _ in found])


def network(text: str) -> Network:
    """The network that an operator names, for example 10.0.0.0/8, 192.168.7.4 or fd12:3456::/32. Raises ValueError.

    Wider ones than a /8, for IPv6 a /16 or fc00::/7, name more than anybody has of their own: a slip of the pen.
    """
    found = ip_network(text)
    widest = 8 if isinstance(found, IPv4Network) else 7 if found == IPv6Network("fc00::/7") else 16
    if found.prefixlen < widest:
        raise ValueError("is wider than anybody's own network")
    if any(found.version == never.version and found.subnet_of(never) for never in NEVER):  # type: ignore[arg-type]
        raise ValueError("lies in a range that stays closed")
    return found
