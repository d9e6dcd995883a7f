"""Which URLs name the same page, and which origin a URL belongs to."""

import re
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import unquote_plus, urlsplit, urlunsplit

from service.domain.names import dns_name

_TRACKING = re.compile(r"(utm_.*|fbclid|gclid|dclid|msclkid|mc_cid|mc_eid|igshid|yclid|_hsenc|_hsmi)", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}


def page_url(url: str) -> str:
    """The URL under which a page's comments are kept: without fragment and tracking parameters, host in lower case.

    What is kept of the query is kept as it was written. Idempotent. `url` must be an absolute http or https URL.
    """
    parts = urlsplit(url)
    query = "&".join(piece for piece in parts.query.split("&") if not _tracks(piece))
    return urlunsplit((parts.scheme, _host(url), parts.path or "/", query, ""))


def _tracks(piece: str) -> bool:
    """Whether a piece of a query says where a reader came from, not what they read."""
    return _TRACKING.fullmatch(unquote_plus(piece.partition("=")[0])) is not None


def origin(url: str) -> str:
    """Scheme, host and port of an absolute URL as browsers send them: the host as DNS has it, a default port left out.

    Idempotent. A page's own URL keeps its host as it is written (`page_url`): threads stay where they are.
    """
    return f"{urlsplit(url).scheme}://{_host(url, dns_name)}"


@lru_cache(maxsize=1024)  # asked for with every look at a thread
def origins(kept: tuple[str, ...]) -> tuple[str, ...]:
    """A site's origins as browsers send them, each once. Up to release 0.5.0 they were kept as somebody wrote them."""
    return tuple(dict.fromkeys(map(origin, kept)))


def _host(url: str, written: Callable[[str], str] = str) -> str:
    parts = urlsplit(url)
    host = written((parts.hostname or "").lower())
    host = f"[{host}]" if ":" in host else host
    return host if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f"{host}:{parts.port}"
