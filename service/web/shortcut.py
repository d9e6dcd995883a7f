"""The short way of a public read: from memory to the wire, past the application, with all that it would have said.

Whatever is not plain goes the long way: a key, a proxy's list that is too short, a condition on more than one ETag, a
used-up limit.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from service.domain.contact import network_prefix
from service.store.threads import Stamp
from service.web import answers
from service.web.errors import Problem
from service.web.hot import Fields, Hot, Kept, Watch
from service.web.limits import Want
from service.web.services import Services

PATH = "/v1/comments"
STAMP = "comity.stamp"  # in the environment of a request: what its answer was made from
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_PER_REQUEST = frozenset({"x-request-id", "ratelimit", "ratelimit-policy"})
_OF_CONTENT = frozenset({"content-type", "content-length", "last-modified", "link"})  # not in a 304


@dataclass(frozen=True, slots=True)
class Read:
    """A request as far as the short way looks at it. address: of whoever is connected. forwarded: X-Forwarded-For."""

    host: str
    query: str
    origin: str | None
    unless: str | None
    address: str
    forwarded: str | None
    request_id: str

    @property
    def key(self) -> tuple[str, str, str | None]:
        """What an answer depends on, besides its thread."""
        return self.host, self.query, self.origin


class Shortcut:
    """Answers from memory, and learns what the application answered."""

    def __init__(self, services: Services, hot: Hot | None = None) -> None:
        self._services = services
        self._hot = hot or Hot()
        Watch(self._hot, services.database).start()

    def answer(self, read: Read, begun: float) -> tuple[int, Fields, bytes] | None:
        """Status, header fields and content; None when the application has to be asked."""
        kept = self._hot.find(read.key)
        if kept is None or read.unless not in (None, kept.etag, f"W/{kept.etag}"):
            return None
        prefix = self._prefix(read)
        if prefix is None:
            return None
        try:
            limits = self._services.limits.spend([visitor(self._services, prefix)]).fields
        except Problem:
            return None  # nothing was counted; the application says what is to be said
        name = answers.request_id(read.request_id)
        own = [*limits.items(), ("X-Request-Id", name)]
        status, fields, body = (200, kept.fields, kept.body) if read.unless is None else (304, kept.unchanged, b"")
        answers.NOTES.add("GET", PATH, status, time.perf_counter() - begun, name)
        return status, [*fields, *own], body

    def learn(self, read: Read, environ: Mapping[str, Any], status: int, fields: Fields, body: bytes) -> None:
        """Keep what the application answered to a request, if it was a page of comments."""
        stamp: Stamp | None = environ.get(STAMP)
        if stamp is None or status != 200:
            return
        lasting = [(name, value) for name, value in fields if name.lower() not in _PER_REQUEST]
        unchanged = [(name, value) for name, value in lasting if name.lower() not in _OF_CONTENT]
        etag = next(value for name, value in fields if name.lower() == "etag")
        self._hot.keep(read.key, Kept(stamp, etag, lasting, unchanged, body), environ["comity.begun"])

    def changed(self, method: str, path: str) -> None:
        """A request was answered that may have changed what readers see."""
        if method not in _SAFE and not (method == "POST" and path == PATH):  # a new comment waits for its verdict
            self._hot.doubt()

    def _prefix(self, read: Read) -> str | None:
        hops = self._services.settings.trusted_proxies
        if not hops:
            return prefix_of(read.address)
        listed = [one.strip() for one in (read.forwarded or "").split(",")]
        return prefix_of(listed[-hops]) if len(listed) >= hops else None


@lru_cache(4096)
def prefix_of(address: str) -> str:
    """The network prefix of an address; "unknown" for what is none."""
    try:
        return network_prefix(address)
    except ValueError:
        return "unknown"


def visitor(parts: Services, prefix: str) -> Want:
    """The limit of requests without a key, counted by network prefix."""
    count, seconds = parts.settings.limit_visitor
    return Want("visitor", prefix.encode(), count, seconds)
