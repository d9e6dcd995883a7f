"""The page of a discussion, and the form on it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, request

from service.domain.ids import new_id
from service.domain.submission import Submission
from service.web import listing, origins, pages
from service.web.api.comments import take
from service.web.embed import form, reading, receipt
from service.web.embed.discussion import Discussion, find
from service.web.embed.form import Form, Posted
from service.web.errors import Problem
from service.web.fields import read_id
from service.web.intake import accept_limits
from service.web.routing import services
from service.web.services import Services

blueprint = Blueprint("thread", __name__)
pages.speak(blueprint)


@blueprint.get("/thread")
def show() -> Response:
    """The published comments of a page, and the form."""
    fields = pages.count_visit()
    parts = services()
    discussion = find(parts, request.args)
    return _page(parts, discussion, form.blank(read_id(request.args.get("reply_to", ""))), 200, fields)


@blueprint.post("/thread")
def post() -> Response:
    """Take a comment, and lead back to the page; or show the form again with what is wrong."""
    pages.count_visit()
    parts = services()
    given = pages.form(request)
    discussion = find(parts, request.args)
    origins.check(parts.settings, discussion.site.origins)
    if not discussion.open and not discussion.closed:
        raise Problem("forbidden", "This website takes comments on its own pages only.")
    posted = form.read(parts, discussion, given, request)
    try:
        taken = form.taken(parts, discussion, posted)
        comment_id, fields = _take(parts, discussion, taken, posted)
    except Problem as problem:
        again = form.refused(posted.form, problem)
        return _page(parts, discussion, again, problem.status, problem.headers or {})
    place = discussion.link(posted=receipt.write(parts, discussion, comment_id))
    return pages.see_other(f"{place}#posted", fields)


def _take(parts: Services, discussion: Discussion, taken: Submission, posted: Posted) -> tuple[UUID, Mapping[str, str]]:
    """The stored comment's id, for what a program filled in one that names nothing; and the RateLimit fields."""
    if posted.trapped:
        return new_id(), parts.limits.spend(accept_limits(parts, discussion.site, taken)).fields
    accepted, fields = take(parts, discussion.site, taken, posted.key)
    return accepted.id, fields


def _page(parts: Services, discussion: Discussion, filled: Form, status: int, headers: Mapping[str, str]) -> Response:
    comments = reading.read(parts, discussion, request.args)
    answered = reading.answered(parts, discussion, filled.reply_to)
    values: dict[str, Any] = {
        "discussion": discussion,
        "comments": comments,
        "form": filled,
        "answered": answered,
        "receipt": receipt.read(parts, discussion, request.args.get("posted")),
        "trap": form.TRAP,
    }
    kept = pages.PRIVATE if discussion.open or values["receipt"] or filled.errors else listing.CACHE
    return pages.page("thread.html", status, {**headers, "Cache-Control": kept}, **values)
