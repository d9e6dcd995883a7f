"""The public list of a page's comments: what may be asked, and what is answered, byte by byte.

The application and the short way past it (`service.web.read_shortcut`) answer with the same words, which are made here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from json import JSONEncoder
from typing import Any
from urllib.parse import unquote_plus

from marshmallow import ValidationError, missing
from werkzeug.http import http_date

from service.domain.urls import page_url
from service.store import public, threads
from service.store.sites import Site
from service.store.threads import Named, Stamp, Thread
from service.web import cors, paging, schemas, shown
from service.web.services import Services

PATH = "/v1/comments"
FORM = "1"  # of the answer: part of the ETag, so that a new form of the same content is a new entity
CACHE = "public, max-age=0, s-maxage=10, must-revalidate"
_NAMES = ("site", "thread_key", "url", "view", "order", "limit", "cursor")
_QUERY = {name: field for name, field in schemas.PublicListing().fields.items() if name in _NAMES}
_DEFAULTS = {name: field.load_default for name, field in _QUERY.items() if field.load_default is not missing}
_SHORT = 32  # characters of a value that is remembered with what it means
_written = JSONEncoder().encode

#: Whether the reader holds the answer of an ETag already; None when nothing was said of any.
Held = Callable[[str], bool] | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A query that names a site and a page. given: its pairs, as the Link field repeats them."""

    site: str
    thread_key: str | None
    url: str | None
    view: str
    order: str
    limit: int
    cursor: str | None
    given: Sequence[tuple[str, str]]

    @classmethod
    def of(cls, query: Mapping[str, Any], given: Sequence[tuple[str, str]]) -> "Asked":
        """What `schemas.PublicListing` made of a query."""
        key = query.get("thread_key")
        return cls(
            query["site"], key, query["url"], query["view"], query["order"], query["limit"], query["cursor"], given
        )


@dataclass(frozen=True, slots=True)
class Said:
    """An answer. stamp: what it was made from, of a page with comments that is given whole."""

    status: int
    fields: Mapping[str, str]
    text: bytes = b""
    stamp: Stamp | None = None


def plain(query: str) -> Asked | None:
    """What a query string asks for, as `service.web.reading.query` and the schema read it.

    None for all that needs a closer look: a name of no meaning here, one that stands twice, a wrong value.
    """
    if not query.isascii():
        return None
    given: dict[str, str] = {}
    try:
        for piece in query.split("&"):
            name, sign, value = piece.partition("=")
            if name not in _QUERY or not sign or name in given:
                return None
            given[name] = unquote_plus(value, errors="strict") if "%" in value or "+" in value else value
        read = {name: _value(name, value) for name, value in given.items()}
    except (UnicodeDecodeError, ValidationError):
        return None
    asked = {**_DEFAULTS, **read}
    if "site" not in asked or (asked.get("thread_key") is None and asked["url"] is None):
        return None
    return Asked.of(asked, list(given.items()))


def _value(name: str, text: str) -> Any:
    """A parameter's value as its field reads it. Raises ValidationError."""
    return _frequent(name, text) if len(text) < _SHORT else _QUERY[name].deserialize(text)


@lru_cache(1024)
def _frequent(name: str, text: str) -> Any:
    return _QUERY[name].deserialize(text)


def answer(services: Services, site: Site, asked: Asked, origin: str | None, held: Held) -> Said:
    """The published comments of a page, or that the reader holds them. Raises Problem, Unavailable, Busy.

    A reader who begins and holds nothing costs one question to the database.
    """
    headers = {"Cache-Control": CACHE, **cors.fields(site, origin)}
    named = Named(site.id, asked.thread_key, None if asked.url is None else page_url(asked.url))
    read = public.trees if asked.view == "tree" else public.flat
    newest = asked.order == "newest"
    with services.database.connection() as connection:
        if asked.cursor is None and held is None:
            page = read(connection, named, asked.limit, None, newest)
        else:
            thread = threads.find(connection, named)
            if thread is None:
                return _nobody(services, asked, headers, held)
            etag = _etag(thread, asked)
            if held is not None and held(etag):
                return Said(304, {**headers, "ETag": etag})
            after = paging.place(services.keys, _name(thread, asked), asked.cursor)
            page = read(connection, thread.id, asked.limit, after, newest)
    if page is None:
        return _nobody(services, asked, headers, held)
    return _page(services, site, asked, page, headers)


def _nobody(services: Services, asked: Asked, headers: Mapping[str, str], held: Held) -> Said:
    """Nobody commented on this page."""
    paging.place(services.keys, "no thread", asked.cursor)  # no cursor is of this list
    etag = '"none"'
    if held is not None and held(etag):
        return Said(304, {**headers, "ETag": etag})
    text = b'{"thread": null, "comments": [], "next_cursor": null, "truncated": false}'
    return Said(200, {**headers, "ETag": etag}, text)


def _page(services: Services, site: Site, asked: Asked, page: public.Page, headers: Mapping[str, str]) -> Said:
    """A page of the thread's comments; all that it says of the thread is of the moment of its comments."""
    thread = page.thread
    comments = shown.grown(page.comments) if asked.view == "tree" else shown.listed(page.comments)
    cursor = paging.cursor(services.keys, _name(thread, asked), page.after)
    head = _written({**thread_view(thread), "id": str(thread.id)})
    text = (
        f'{{"thread": {head}, "comments": {comments}, "next_cursor": {_written(cursor)}, '
        f'"truncated": {_written(page.truncated)}}}'
    )
    fields = {
        **headers,
        "ETag": _etag(thread, asked),
        "Last-Modified": http_date(thread.changed_at),
        **paging.link(cursor, PATH, asked.given),
    }
    return Said(200, fields, text.encode(), Stamp(thread.id, thread.version, tuple(site.origins)))


def thread_view(thread: Thread) -> dict[str, Any]:
    """A thread as everybody sees it."""
    return {
        "id": thread.id, "key": thread.key, "url": thread.url, "title": thread.title, "closed": thread.closed,
        "published": thread.published,
    }  # fmt: skip


def _name(thread: Thread, asked: Asked) -> str:
    """The list that a cursor belongs to."""
    return f"published {thread.id} {asked.view} {asked.order}"


def _etag(thread: Thread, asked: Asked) -> str:
    """Names these bytes: the thread at a version, the part asked for, and the form of the answer."""
    part = (asked.view, asked.order, asked.limit, asked.cursor)
    digest = sha256(repr((FORM, thread.id, part)).encode()).hexdigest()[:16]
    return f'"{thread.version}-{digest}"'
