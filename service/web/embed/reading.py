"""The comments on one page of a discussion, with the ways to older and newer ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from markupsafe import Markup

from service.store import public
from service.store.public import Shown
from service.web import paging
from service.web.embed.discussion import Discussion
from service.web.errors import Problem
from service.web.fields import is_web_url
from service.web.services import Services
from service.web.shown import nested

PAGE = 50  # first comments on a page; each comes with its replies


@dataclass(frozen=True, slots=True)
class Comments:
    """What the page shows. older, newer: links, None where there is nothing further.

    truncated: a tree was too large to be shown whole; `flat` shows every comment in order of arrival.
    """

    shown: Sequence[Mapping[str, Any]]
    published: int
    newest: bool
    flat: bool
    truncated: bool
    older: str | None
    newer: str | None

    def holds(self, comment_id: UUID) -> bool:
        """Whether a comment stands on this page."""
        waiting = list(self.shown)
        while waiting:
            comment = waiting.pop()
            if comment["id"] == str(comment_id):
                return True
            waiting += comment["replies"]
        return False


def read(services: Services, discussion: Discussion, given: Mapping[str, str]) -> Comments:
    """The comments that a query asks for: `order`, `view`, and a place `after` or `before` which to read."""
    newest, flat = given.get("order") == "newest", given.get("view") == "flat"
    thread = discussion.thread
    if thread is None:
        return Comments([], 0, newest, flat, False, None, None)
    listing = f"page {thread.id} {flat} {newest}"
    backwards = "before" in given
    start = _start(services, listing, given.get("before" if backwards else "after"))
    with services.database.connection() as connection:
        fetch = public.flat if flat else public.trees
        found = fetch(connection, thread.id, PAGE, start, newest != backwards)
    if found is None:  # taken back since, with the first comment
        return Comments([], 0, newest, flat, False, None, None)
    trees = _trees(found.comments, flat)[:: -1 if backwards else 1]
    more = found.after is not None
    has_next, has_previous = (True, more) if backwards else (more, start is not None)
    order = {"order": "newest" if newest else None, "view": "flat" if flat else None}

    def link(name: str, tree: int) -> str | None:
        place = _place(trees[tree]) if trees else found.after  # a cut tree may show nothing of itself
        cursor = paging.cursor(services.keys, listing, place)
        return cursor and discussion.link(**order, **{name: cursor}) + "#comments"

    following = link("after", -1) if has_next else None
    previous = link("before", 0) if has_previous else None
    older, newer = (following, previous) if newest else (previous, following)
    shown = [_for_page(root) for tree in trees for root in nested(tree)]
    return Comments(shown, found.thread.published, newest, flat, found.truncated, older, newer)


def answered(services: Services, discussion: Discussion, comment_id: UUID | None) -> Mapping[str, Any] | None:
    """The published comment that a reply answers, if it is there."""
    if discussion.thread is None or comment_id is None:
        return None
    with services.database.connection() as connection:
        found = public.one(connection, discussion.thread.id, comment_id)
    return None if found is None else _for_page(nested([found])[0])


def _start(services: Services, listing: str, cursor: str | None) -> tuple[datetime, UUID] | None:
    """The place in a cursor; an old or broken one leads to the beginning."""
    try:
        return paging.place(services.keys, listing, cursor)
    except Problem:
        return None


def _trees(comments: Sequence[Shown], flat: bool) -> list[list[Shown]]:
    """Comments cut into trees; in flat order each comment stands alone."""
    return [list(tree) for _, tree in groupby(comments, key=lambda comment: comment.id if flat else comment.root_id)]


def _place(tree: Sequence[Shown]) -> tuple[datetime, UUID]:
    return tree[0].place


def _for_page(comment: Mapping[str, Any], above: str | None = None) -> dict[str, Any]:
    """A comment as the template takes it: its HTML is safe, its website may be linked. above: who is answered."""
    website, published_at = comment["website"], comment["published_at"]
    return {
        **comment,
        "html": Markup(comment["html"] or ""),  # noqa: S704 -- made by `shown.html`, which escapes every part
        "published_at": published_at and datetime.fromisoformat(published_at),
        "website": website if website and is_web_url(website) else None,
        "above": above,
        "replies": [_for_page(reply, comment["name"]) for reply in comment["replies"]],
    }
