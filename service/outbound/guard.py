"""Where requests may go."""

import ipaddress
from collections.abc import Collection, Sequence
from urllib.parse import urlsplit, urlunsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Forbidden(Exception):
    """Raised for what may not be asked. code: one word; sentence: what to change."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code, self.sentence = code, sentence


class Guard:
    """Says which URLs may be told."""

    def __init__(self, allowed: Sequence[Network], http: bool, ports: Collection[int] = (80, 443)) -> None:
        self.allowed, self.http, self.ports = tuple(allowed), http, frozenset(ports)

    def check_url(self, url: str) -> str:
        """The URL in its usual form. Raises Forbidden."""
        parts = urlsplit(url)
        if parts.scheme != "https" and not (self.http and parts.scheme == "http"):
            raise Forbidden("scheme", "must begin with https://")
        if "@" in parts.netloc or not parts.hostname:
            raise Forbidden("host", "must name a host, and no user")
        try:
            address = ipaddress.ip_address(parts.hostname)
        except ValueError:
            address = None
        inside = address is not None and any(address in network for network in self.allowed)
        if address is not None and not address.is_global and not inside:
            raise Forbidden("private", "must not lead to a private address")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if port not in self.ports and not inside:
            raise Forbidden("port", "must use one of the usual ports")
        return urlunsplit((parts.scheme, parts.netloc.lower(), parts.path or "/", parts.query, ""))
