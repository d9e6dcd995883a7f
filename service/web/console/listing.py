"""A stretch of the queue as a page shows it: which part is asked for, the comments, and the ways on and back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from service.domain.reasons import REVIEW_REASONS
from service.store import queue, sites
from service.store.queue import Flagged, Review
from service.store.sites import Site
from service.web import paging, reading, schemas
from service.web.api.moderation import filter_of, review_view
from service.web.auth import Caller
from service.web.console import words
from service.web.errors import Problem
from service.web.routing import Call
from service.web.services import Services

PAGE = 20
TOP_SCORES, NOISE = 3, 0.1
_FILTER = ("site", "label", "text", "order")
_NAMES = (*_FILTER, "after", "before")
_QUERY = schemas.QueueQuery(only=_FILTER)


@dataclass(frozen=True, slots=True)
class Place:
    """Which part of the queue a moderator looks at: filters, and where the page begins."""

    given: Mapping[str, str]

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "Place":
        """The place in the fields of an address; what else stands there is left out."""
        return cls({name: given[name] for name in _NAMES if given.get(name)})

    @classmethod
    def read(cls, text: str) -> "Place":
        """The place in a form's hidden field."""
        return cls.of(dict(parse_qsl(text)))

    @property
    def text(self) -> str:
        """The place as a query."""
        return urlencode(self.given)

    @property
    def filtered(self) -> bool:
        """Whether only a part of the queue is asked for."""
        return any(name in self.given for name in ("site", "label", "text"))

    @property
    def inside(self) -> bool:
        """Whether the page begins somewhere inside the queue."""
        return "after" in self.given or "before" in self.given

    def link(self, **more: str | None) -> str:
        """The path of the queue here, with `more` in place of what it had."""
        named = {name: value for name, value in {**self.given, **more}.items() if value}
        return "/queue" + (f"?{urlencode(named)}" if named else "")

    @property
    def start(self) -> str:
        """The path of the first page of this part."""
        return self.link(after=None, before=None)


@dataclass(frozen=True, slots=True)
class Listing:
    """What the page shows of the queue."""

    place: Place
    items: Sequence[Mapping[str, Any]]
    sites: Sequence[Site]
    count: int
    count_text: str
    newest: bool
    previous: str | None
    next: str | None


def read(services: Services, caller: Caller, may: Sequence[UUID], place: Place) -> Listing:
    """The part of the queue at `place`. may: the sites where the caller decides. Raises Problem."""
    query = reading.load(_QUERY, {name: place.given[name] for name in _FILTER if name in place.given})
    wanted = filter_of(Call(services, caller, query=query))
    newest, backwards = query["order"] == "newest", "before" in place.given
    listing = f"queue {query['order']}"
    start = _start(services, listing, place.given.get("before" if backwards else "after"))
    with services.database.connection() as connection:
        found = queue.flagged(connection, wanted, PAGE + 1, start, newest != backwards)
        more, found = len(found) > PAGE, found[:PAGE]
        found = found[:: -1 if backwards else 1]
        reviews = [queue.review(connection, comment.id, caller.sites) for comment in found]
        count, exact = queue.count(connection, wanted)
        known = sites.sites(connection, list(caller.sites))

    def link(name: str, comment: Flagged) -> str:
        cursor = paging.cursor(services.keys, listing, (comment.created_at, comment.id))
        return place.link(**{"after": None, "before": None, name: cursor})

    has_next, has_previous = (True, more) if backwards else (more, start is not None)
    return Listing(
        place=place,
        items=[item(services, review, may) for review in reviews if review.comment.state == "flagged"],
        sites=known,
        count=count,
        count_text=f"{count:,}{'' if exact else '+'}",
        newest=newest,
        previous=link("before", found[0]) if found and has_previous else None,
        next=link("after", found[-1]) if found and has_next else None,
    )


def item(services: Services, review: Review, may: Sequence[UUID]) -> dict[str, Any]:
    """A comment as the page shows it."""
    view = review_view(services, review, explained=1)
    scores = sorted(
        ((label, score) for label, score in view["scores"].items() if score is not None), key=lambda pair: -pair[1]
    )
    return {
        **view,
        "why": words.why(view),
        "record": words.record(view),
        "top": scores[:TOP_SCORES],
        "said": next((told for told in view["spoke"] if _telling(told)), None),
        "may_decide": review.site_id in may,
        "default": view["label"] if view["label"] in REVIEW_REASONS else "other",
    }


def _telling(told: Mapping[str, Any]) -> bool:
    """Whether the words of a label say something: it has some, and a score that is more than noise."""
    return (told["score"] or 0) >= NOISE and bool(told["for_"] or told["against"])


def position(listing: Listing, moment: datetime, comment_id: UUID) -> int:
    """Before which item of the list a comment stands, or stood."""
    place = (moment, comment_id)
    for at, shown in enumerate(listing.items):
        here = (shown["created_at"], shown["id"])
        if (here <= place) if listing.newest else (here >= place):
            return at
    return len(listing.items)


def _start(services: Services, listing: str, cursor: str | None) -> tuple[datetime, UUID] | None:
    """The place in a cursor; an old or broken one leads to the beginning."""
    try:
        return paging.place(services.keys, listing, cursor)
    except Problem:
        return None
