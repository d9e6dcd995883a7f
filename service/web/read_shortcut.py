"""The short way of a public read, past the application, with all that it would have said: from memory or the store.

Whatever is not plain goes the long way: a key, a proxy's list that is too short, a condition on more than one ETag, a
used-up limit, another host, a query with anything in it that the application would ignore, mend or refuse.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from service.store.threads import Stamp
from service.web import answers, cors, listing
from service.web.answers import Answered
from service.web.errors import Problem, with_headers
from service.web.hosts import Hosts
from service.web.hot import Fields, Hot, Kept, Watch
from service.web.intake import prefix_of, visitor
from service.web.listing import PATH, Asked, Held, Said
from service.web.services import Services

STAMP = "comity.stamp"  # in the environment of a request: what its answer was made from
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_SUBMISSIONS = frozenset({PATH, f"{PATH}/batch", "/thread"})  # a new comment waits for its verdict
_PER_REQUEST = frozenset({"x-request-id", "ratelimit", "ratelimit-policy"})
_ETAG = re.compile(r'(?:W/)?("[A-Za-z0-9-]{1,64}")', re.ASCII)
_LONGEST = 8192  # characters of a query: less than the application takes
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


class ReadShortcut:
    """Answers from memory, and from the store what is plain; learns what was answered."""

    def __init__(self, services: Services, hot: Hot | None = None) -> None:
        self._services = services
        self._hot = hot or Hot()
        self._hosts = Hosts.of(services.settings)
        Watch(self._hot, services.database).start()

    def answer(self, read: Read, begun: float) -> Answered | None:
        """What is in memory; None when the store or the application has to be asked."""
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

    def fetch(self, read: Read, begun: float) -> Answered | None:
        """What the store says; None when the application has to be asked. Takes as long as a query."""
        plain = None if read.unless is None else _ETAG.fullmatch(read.unless)
        if (read.unless is not None and plain is None) or len(read.query) > _LONGEST or not self._hosts.know(read.host):
            return None
        asked, prefix = listing.plain(read.query), self._prefix(read)
        if asked is None or prefix is None:
            return None
        try:
            limits = self._services.limits.spend([visitor(self._services, prefix)]).fields
        except Problem:
            return None  # as above
        name = answers.request_id(read.request_id)
        try:
            said = self._said(read, asked, plain[1].__eq__ if plain else None)
        except Exception as error:
            status, fields, body = self._trouble(read, asked, error, limits, name)
        else:
            status, fields, body = _whole(said, limits, name)
            self._keep(read, said.stamp, begun, status, fields, body)
        answers.NOTES.add("GET", PATH, status, time.perf_counter() - begun, name)
        return status, fields, body

    def _said(self, read: Read, asked: Asked, held: Held) -> Said:
        return listing.answer(self._services, self._services.gate.site(asked.site), asked, read.origin, held)

    def _trouble(self, read: Read, asked: Asked, error: Exception, limits: Mapping[str, str], name: str) -> Answered:
        """The problem of an error, which pages may read where they may read the answer itself."""
        with structlog.contextvars.bound_contextvars(request=name):
            site = self._services.gate.known_site(asked.site)
            problem = with_headers(error, {**limits, **(cors.fields(site, read.origin) if site else {})})
        return answers.of_problem(problem, name)

    def learn(self, read: Read, environ: Mapping[str, Any], status: int, fields: Fields, body: bytes) -> None:
        """Keep what the application answered to a request, if it was a page of comments."""
        self._keep(read, environ.get(STAMP), environ["comity.begun"], status, fields, body)

    def _keep(self, read: Read, stamp: Stamp | None, begun: float, status: int, fields: Fields, body: bytes) -> None:
        if stamp is None or status != 200:
            return
        lasting = [(name, value) for name, value in fields if name.lower() not in _PER_REQUEST]
        unchanged = [(name, value) for name, value in lasting if name.lower() not in _OF_CONTENT]
        etag = next(value for name, value in fields if name.lower() == "etag")
        self._hot.keep(read.key, Kept(stamp, etag, lasting, unchanged, body), begun)

    def changed(self, method: str, path: str, status: int) -> None:
        """A request was answered, and may have changed what readers see.

        One that was refused, or led elsewhere, did not: whoever sends some of those must not keep us from using memory.
        One that ended in a fault, or whose commit is unknown, may have.
        """
        if method in _SAFE or (method == "POST" and path.rstrip("/") in _SUBMISSIONS):
            return
        if status < 300 or status == 303 or status >= 500:
            self._hot.doubt()

    def _prefix(self, read: Read) -> str | None:
        hops = self._services.settings.trusted_proxies
        if not hops:
            return prefix_of(read.address)
        listed = [one.strip() for one in read.forwarded.split(",")] if read.forwarded else []
        return prefix_of(listed[-hops]) if len(listed) >= hops else None


def _whole(said: Said, limits: Mapping[str, str], name: str) -> Answered:
    """An answer with all the fields that the application gives it, in its order."""
    content = {"Content-Type": "application/json", "Content-Length": str(len(said.text))}
    fields = {
        **(content if said.status == 200 else {}),
        "Cache-Control": "no-store",
        **limits,
        **said.fields,
        **answers.HEADERS,
        "X-Request-Id": name,
    }
    return said.status, list(fields.items()), said.text
