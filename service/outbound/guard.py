"""Where the service may send to: which URLs are taken, and which network addresses are connected to.

A URL is checked when it is saved and again before each delivery; addresses are checked when a name was resolved and
once more where the socket is made. What a URL says is read by one strict grammar and written anew, so no second reader
can see another host in it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import idna

from service.outbound.networks import Address, Network, carried, is_never_open, is_of_the_world, plain

LONGEST = 2000
_DEFAULT_PORTS = {"https": 443, "http": 80}
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<place>[^/?#]*)(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?")
_PLACE = re.compile(r"(?:\[(?P<literal>[^\[\]]*)\]|(?P<name>[^:\[\]]*))(?::(?P<port>[1-9][0-9]{0,4}))?")
_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")  # a last label like this makes a browser read an IPv4 address
#: Names that mean something only inside a house; the world's DNS has none below them (RFC 6761, 6762, 8375, 9476).
_INSIDE = re.compile(r"(?:.*\.)?(?:localhost|localdomain|local|internal|intranet|private|corp|home|lan|home\.arpa)")


class Forbidden(Exception):
    """Raised when nothing may be sent to a URL or to an address. `code` is a short word, `sentence` for a human."""

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        self.sentence = sentence
        super().__init__(sentence)


@dataclass(frozen=True, slots=True)
class Place:
    """What a checked URL says: the host as it stands in the URL without brackets, and the port."""

    url: str
    host: str
    port: int
    literal: Address | None


class Guard:
    """The rules of one service.

    `networks`: those of the operator's own that may be reached besides the world's (networks, or texts in CIDR form).
    `http`: whether http:// is taken too, with port 80. `ports`: those a URL may name.
    """

    def __init__(
        self, networks: Iterable[Network | str] = (), http: bool = False, ports: Iterable[int] = (443,)
    ) -> None:
        self.networks: tuple[Network, ...] = tuple(ip_network(one) for one in networks)
        self.http = http
        self.ports = frozenset(ports) | ({80} if http else set())

    def check_url(self, url: str) -> str:
        """The URL in the one form that is stored and called. Idempotent. Raises Forbidden."""
        return self.read(url).url

    def read(self, url: str) -> Place:
        """`url` in parts, its host in the form that is resolved. Raises Forbidden."""
        if len(url) > LONGEST:
            raise Forbidden("length", f"A webhook's URL has {LONGEST} characters at most.")
        if any(ord(sign) <= 0x20 or 0x7F <= ord(sign) < 0xA0 or sign in '\\"<>^`{|}' for sign in url):
            raise Forbidden("characters", "A webhook's URL has no spaces, control characters or backslashes.")
        if "#" in url:
            raise Forbidden("fragment", "A fragment is not sent to a server: leave out # and what follows.")
        parts = _URL.fullmatch(url)
        if parts is None:
            raise Forbidden("form", "A webhook's URL is absolute, for example https://hooks.example/comments.")
        scheme, path, query = parts["scheme"].lower(), parts["path"] or "/", parts["query"] or ""
        self._check_scheme(scheme)
        if _PATH.fullmatch(path + query) is None:
            raise Forbidden("characters", "Write other signs of a URL's path and query as %XX.")
        host, literal, port = self._place(parts["place"], _DEFAULT_PORTS[scheme])
        shown = f"[{host}]" if isinstance(literal, IPv6Address) else host
        where = shown if port == _DEFAULT_PORTS[scheme] else f"{shown}:{port}"
        return Place(f"{scheme}://{where}{path}{query}", host, port, literal)

    def _check_scheme(self, scheme: str) -> None:
        if scheme == "https" or (scheme == "http" and self.http):
            return
        hint = " The operator can allow http with COMITY_WEBHOOK_HTTP." if scheme == "http" else ""
        raise Forbidden("scheme", f"A webhook's URL begins with https://.{hint}")

    def _place(self, place: str, default: int) -> tuple[str, Address | None, int]:
        if "@" in place:
            raise Forbidden("userinfo", "A webhook's URL has no user and password; receivers check the signature.")
        found = _PLACE.fullmatch(place)
        if found is None:
            raise Forbidden(
                "host", "A webhook's URL names a host, and after a colon at most a port without zeros before."
            )
        port = int(found["port"] or default)
        if port not in self.ports:
            allowed = ", ".join(str(one) for one in sorted(self.ports))
            raise Forbidden(
                "port", f"Webhooks go to ports {allowed}; the operator can allow more with COMITY_WEBHOOK_PORTS."
            )
        literal: Address | None = _ipv6(found["literal"]) if found["literal"] is not None else None
        name = _name(found["name"]) if literal is None else str(literal)
        if literal is None and _NUMBER.fullmatch(name.rpartition(".")[2]):
            literal = _ipv4(name)
        if literal is not None:
            self.check_address(literal)
        elif not self.networks and ("." not in name or _INSIDE.fullmatch(name)):
            raise Forbidden("host", "A webhook's URL names a host that the whole world can look up.")
        return name, literal, port

    def check_address(self, ip: str | Address) -> None:
        """Whether a packet may go to `ip`: one of the world's or of an operator's network, and so what it carries.

        Raises Forbidden.
        """
        try:
            address = plain(ip_address(ip))
        except ValueError:
            raise Forbidden("address", _INWARD) from None
        if isinstance(address, IPv6Address) and address.scope_id is not None:
            raise Forbidden("address", _INWARD)
        allowed = any(address in network for network in self.networks)
        if is_never_open(address) or not (allowed or is_of_the_world(address)):
            raise Forbidden("address", _INWARD)
        for inner in carried(address):
            self.check_address(inner)


_INWARD = (
    "Webhooks go to public network addresses; "
    "the operator can allow a network of their own with COMITY_WEBHOOK_NETWORKS."
)


def _ipv6(text: str) -> Address:
    try:
        address = IPv6Address(text.partition("%")[0])
    except ValueError:
        raise Forbidden("host", "Between brackets stands an IPv6 address.") from None
    if "%" in text:
        raise Forbidden("host", "An IPv6 address with a zone belongs to one machine only.")
    return plain(address)


def _ipv4(name: str) -> IPv4Address:
    """The address that a name of numbers means, written in the one way that all readers read alike."""
    try:
        return IPv4Address(name)
    except ValueError:
        raise Forbidden("host", "Write an IPv4 address as four decimal numbers without zeros before.") from None


def _name(text: str) -> str:
    """A host's name in lower case, in the form that DNS knows (IDNA 2008 after UTS 46)."""
    name = text.lower()
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode()
        except (idna.IDNAError, UnicodeError):
            raise Forbidden("host", "The host's name is none that can be registered.") from None
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise Forbidden(
            "host", "A host's name has letters, digits and hyphens between single dots, and no dot at its end."
        )
    return name
