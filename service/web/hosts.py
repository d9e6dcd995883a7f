"""Which hosts a request may name in its Host field. Flask's own check cannot: it cuts IPv6 addresses at their colon."""

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

from service.settings import Settings

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?", re.ASCII)
_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Hosts:
    """The names of this service. One that is local may be called by any local name."""

    def __init__(self, own: str, others: Iterable[str]) -> None:
        """own, others: host names or addresses, with or without a port."""
        names = {name for name in map(_name, (own, *others)) if name is not None}
        self._names = frozenset(names | (_LOCAL if _name(own) in _LOCAL else set()))

    @classmethod
    def of(cls, settings: Settings) -> "Hosts":
        """Those that the settings name."""
        return cls(urlsplit(settings.public_url).netloc, settings.trusted_hosts)

    def know(self, host: str) -> bool:
        """Whether `host`, as a Host field gives it, is one of ours; the port does not matter."""
        return _name(host) in self._names

    @staticmethod
    def read(host: str) -> bool:
        """Whether `host` is a host at all, or missing."""
        return not host or _name(host) is not None


@lru_cache(256)
def _name(host: str) -> str | None:
    """The name in `host`, in one form; None when it is none."""
    found = _HOST.fullmatch(host)
    if found is None or not 0 < int(found["port"] or 1) < 65_536:
        return None
    name = found["name"].lower()
    if not name.startswith("["):
        return name
    try:
        return f"[{ipaddress.IPv6Address(name[1:-1])}]"
    except ValueError:
        return None
