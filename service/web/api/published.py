"""What everybody may read: published comments and how many there are. And, for a site's key, what changed."""

from collections.abc import Sequence
from datetime import timedelta
from hashlib import blake2b, sha256
from typing import Any
from uuid import UUID

from flask import request
from markupsafe import escape
from werkzeug.http import http_date

from service.domain import text
from service.domain.urls import page_url
from service.store import public, threads
from service.store.public import Changed, Shown
from service.store.sites import Site
from service.store.threads import Stamp, Thread
from service.web import cors, paging, schemas
from service.web.api.comments import reason_words
from service.web.auth import Right
from service.web.errors import Problem
from service.web.fields import is_web_url, show_time
from service.web.memory import Memory
from service.web.routing import Answer, Call, Routes
from service.web.shortcut import STAMP

routes = Routes("published")

FORM = "1"  # of the answer: part of the ETag, so that a new form of the same content is a new entity
PAGE_CACHE = "public, max-age=0, s-maxage=10, must-revalidate"
COUNT_CACHE = "public, max-age=60"
OVERLAP = timedelta(seconds=60)
_rendered = Memory(16 * 1024 * 1024)  # finding the links of a long body takes milliseconds


@routes.add(
    "GET", "/v1/comments", Right.PUBLIC_OR_READ,
    query=schemas.PublicListing(), answers={200: (schemas.CommentList(), schemas.ChangeList()), 304: None},
    problems=("not-found",),
)  # fmt: skip
def list_comments(call: Call) -> Answer:
    """Published comments of a page; with a secret key and updated_since, changes of the whole site."""
    if "updated_since" in call.query:
        return _changes(call)
    site = _site(call)
    thread = _thread(call, site)
    headers = {"Cache-Control": PAGE_CACHE, **cors.fields(site)}
    if thread is None:
        paging.place(call.services.keys, "no thread", call.query["cursor"])  # no cursor is of this list
        return _unchanged('"none"', headers) or Answer(_empty(), 200, {**headers, "ETag": '"none"'})
    held = {**headers, "Last-Modified": http_date(thread.changed_at)}
    return _unchanged(_etag(thread, call.query), held) or _page(call, site, thread, headers)


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
    headers = {"Cache-Control": COUNT_CACHE, "ETag": etag, **cors.fields(site)}
    return _unchanged(etag, headers) or Answer(data, 200, headers)


def show(comment: Shown) -> dict[str, Any]:
    """A comment as the public gets it: addresses in its text are masked."""
    body = None if comment.body is None else text.mask(comment.body)
    return {
        "id": comment.id,
        "parent_id": comment.parent_id,
        "name": None if comment.name is None else text.mask(comment.name),
        "website": comment.website,
        "body": body,
        "html": None if body is None else _rendered.get(_key(comment.id, body), lambda: html(body)),
        "published_at": comment.published_at,
        "edited": comment.edited,
        "removed": comment.removed,
    }


def _written(shown: dict[str, Any]) -> dict[str, Any]:
    """A comment with its replies, as `schemas.PublicTree` would write it; the schema takes ten times as long."""
    above, moment = shown["parent_id"], shown["published_at"]
    return {
        **shown,
        "id": str(shown["id"]),
        "parent_id": None if above is None else str(above),
        "published_at": None if moment is None else show_time(moment),
        "replies": [_written(one) for one in shown["replies"]],
    }


def _key(comment_id: UUID, body: str) -> tuple[UUID, bytes]:
    """Names a comment's body: another text is another key."""
    return comment_id, blake2b(body.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def html(body: str) -> str:
    """A body as safe HTML: escaped, with line breaks, and with links that pass on nothing."""
    made = []
    for part in text.parts(body):
        escaped = str(escape(part.text)).replace("\r\n", "\n").replace("\r", "\n").replace("\n", "<br>\n")
        if part.href is not None:
            escaped = f'<a href="{escape(part.href)}" rel="nofollow ugc noopener noreferrer">{escaped}</a>'
        made.append(escaped)
    return "".join(made)


def nested(comments: Sequence[Shown]) -> list[dict[str, Any]]:
    """Comments as trees: each with its replies, in the order given."""
    shown = {comment.id: {**show(comment), "replies": []} for comment in comments}
    roots: list[dict[str, Any]] = []
    for comment in comments:
        above = shown.get(comment.parent_id) if comment.parent_id else None
        (roots if above is None else above["replies"]).append(shown[comment.id])
    return roots


def _page(call: Call, site: Site, thread: Thread, headers: dict[str, str]) -> Answer:
    """A page of the thread's comments; all that it says of the thread is of the moment of its comments."""
    read = public.trees if call.query["view"] == "tree" else public.flat
    listing = f"published {thread.id} {call.query['view']} {call.query['order']}"
    after = paging.place(call.services.keys, listing, call.query["cursor"])
    with call.services.database.connection() as connection:
        page = read(connection, thread.id, call.query["limit"], after, call.query["order"] == "newest")
    shown = (
        nested(page.comments) if call.query["view"] == "tree" else [{**show(c), "replies": []} for c in page.comments]
    )
    next_cursor = paging.cursor(call.services.keys, listing, page.after)
    data = {
        "thread": {**thread_view(page.thread), "id": str(page.thread.id)},
        "comments": [_written(one) for one in shown],
        "next_cursor": next_cursor,
        "truncated": page.truncated,
    }
    request.environ[STAMP] = Stamp(page.thread.id, page.thread.version, tuple(site.origins))
    named = {"ETag": _etag(page.thread, call.query), "Last-Modified": http_date(page.thread.changed_at)}
    return Answer(data, 200, {**headers, **named, **paging.links(next_cursor)}, written=True)


def thread_view(thread: Thread) -> dict[str, Any]:
    """A thread as everybody sees it."""
    return {
        "id": thread.id, "key": thread.key, "url": thread.url, "title": thread.title, "closed": thread.closed,
        "published": thread.published,
    }  # fmt: skip


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


def _site(call: Call) -> Site:
    if "site" not in call.query:
        raise _missing("site", "is missing: name the site")
    return call.services.gate.site(call.query["site"])


def _thread(call: Call, site: Site) -> Thread | None:
    key, url = call.query.get("thread_key"), call.query["url"]
    if key is None and url is None:
        raise _missing("thread_key", "is missing: name the page by thread_key or url")
    with call.services.database.connection() as connection:
        return threads.find(connection, site.id, key, page_url(url) if url else None)


def _missing(parameter: str, detail: str) -> Problem:
    """There is no list without a name. No schema can say which of the parameters a kind of list needs: hence no 422."""
    errors = [{"detail": detail, "parameter": parameter, "code": "required"}]
    return Problem("not-found", f"{parameter} {detail}.", errors)


def _empty() -> dict[str, Any]:
    return {"thread": None, "comments": [], "next_cursor": None, "truncated": False}


def _etag(thread: Thread, query: dict[str, Any]) -> str:
    """Names these bytes: the thread at a version, the part asked for, and the form of the answer."""
    part = (query["view"], query["order"], query["limit"], query["cursor"])
    digest = sha256(repr((FORM, thread.id, part)).encode()).hexdigest()[:16]
    return f'"{thread.version}-{digest}"'


def _unchanged(etag: str, headers: dict[str, str]) -> Answer | None:
    """304 when the reader holds this very answer."""
    if not request.if_none_match or not request.if_none_match.contains_weak(etag.strip('"')):
        return None
    return Answer(None, 304, {**headers, "ETag": etag})
