"""What everybody may read: published comments and how many there are. And, for a site's key, what changed."""

from datetime import timedelta
from hashlib import sha256
from typing import Any

from flask import request

from service.domain import text
from service.domain.urls import page_url
from service.store import public, threads
from service.store.public import Changed
from service.web import cors, listing, paging, schemas
from service.web.api.comments import reason_words
from service.web.auth import Right
from service.web.errors import Problem
from service.web.fields import is_web_url
from service.web.listing import Asked
from service.web.read_shortcut import STAMP
from service.web.routing import Answer, Call, Routes

routes = Routes("published")

COUNT_CACHE = "public, max-age=60"
OVERLAP = timedelta(seconds=60)


@routes.add(
    "GET", "/v1/comments", Right.PUBLIC_OR_READ,
    query=schemas.PublicListing(), answers={200: (schemas.CommentList(), schemas.ChangeList()), 304: None},
    problems=("not-found",),
)  # fmt: skip
def list_comments(call: Call) -> Answer:
    """Published comments of a page; with a secret key and updated_since, changes of the whole site."""
    if "updated_since" in call.query:
        return _changes(call)
    asked = _asked(call)
    site = call.services.gate.site(asked.site)
    held = _held if request.if_none_match else None
    said = listing.answer(call.services, site, asked, request.headers.get("Origin"), held)
    request.environ[STAMP] = said.stamp
    return Answer(said.text, said.status, said.fields, written=True)


@routes.add(
    "GET", "/v1/threads/counts", Right.PUBLIC, query=schemas.CountsQuery(),
    answers={200: schemas.Counts(), 304: None}, problems=("not-found",),
)  # fmt: skip
def count_comments(call: Call) -> Answer:
    """Published comments by page, for up to 100 pages; unknown pages count 0."""
    site = call.services.gate.site(call.query["site"])
    urls = {url: page_url(url) if is_web_url(url) else url for url in call.query["url"]}
    with call.services.database.connection() as connection:
        found = threads.counts(connection, site.id, call.query["thread_key"], list(urls.values()))
    data = {"urls": {url: found["urls"][page] for url, page in urls.items()}, "thread_keys": found["keys"]}
    etag = '"' + sha256(repr(sorted(data.items())).encode()).hexdigest()[:20] + '"'
    headers = {"Cache-Control": COUNT_CACHE, "ETag": etag, **cors.fields(site, request.headers.get("Origin"))}
    return _unchanged(etag, headers) or Answer(data, 200, headers)


def _changes(call: Call) -> Answer:
    if call.caller.site is None:
        raise Problem(
            "unauthorized",
            "updated_since needs the site's secret key (scope read).",
            headers={"WWW-Authenticate": "Bearer"},
        )
    site, since, limit = call.caller.site, call.query["updated_since"], call.query["limit"]
    listing = f"changes {site.id}"
    after = paging.place(call.services.keys, listing, call.query["cursor"])
    with call.services.database.connection() as connection:
        now = public.now(connection)
        changed = public.changes(connection, site.id, since, after, limit + 1)
    more, changed = len(changed) > limit, changed[:limit]
    next_cursor = paging.cursor(call.services.keys, listing, (changed[-1].updated_at, changed[-1].id) if more else None)
    data = {
        "comments": [_change(one) for one in changed],
        "next_cursor": next_cursor,
        "next_since": max(since, now - OVERLAP),
    }
    return Answer(data, 200, paging.links(next_cursor), schemas.ChangeList())


def _change(changed: Changed) -> dict[str, Any]:
    shown = {
        "name": None if changed.name is None else text.mask(changed.name),
        "body": None if changed.body is None else text.mask(changed.body),
    }
    return {
        "id": changed.id, "thread_id": changed.thread_id, "thread_key": changed.thread_key,
        "thread_url": changed.thread_url, "parent_id": changed.parent_id, "status": changed.state,
        "reason": reason_words(changed.reason), "website": changed.website, "version": changed.version,
        "created_at": changed.created_at, "updated_at": changed.updated_at, "published_at": changed.published_at,
        **shown,
    }  # fmt: skip


def _asked(call: Call) -> Asked:
    """The list that is asked for. Raises Problem unless both a site and a page are named."""
    if "site" not in call.query:
        raise _missing("site", "is missing: name the site")
    if call.query.get("thread_key") is None and call.query["url"] is None:
        call.services.gate.site(call.query["site"])  # an unknown site is told first
        raise _missing("thread_key", "is missing: name the page by thread_key or url")
    return Asked.of(call.query, list(request.args.items(multi=True)))


def _missing(parameter: str, detail: str) -> Problem:
    """There is no list without a name. No schema can say which of the parameters a kind of list needs: hence no 422."""
    errors = [{"detail": detail, "parameter": parameter, "code": "required"}]
    return Problem("not-found", f"{parameter} {detail}.", errors)


def _held(etag: str) -> bool:
    """Whether the reader holds the answer of this ETag."""
    return request.if_none_match.contains_weak(etag.strip('"'))


def _unchanged(etag: str, headers: dict[str, str]) -> Answer | None:
    """304 when the reader holds this very answer."""
    return Answer(None, 304, {**headers, "ETag": etag}) if request.if_none_match and _held(etag) else None
