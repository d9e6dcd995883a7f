"""The moderators' pages: signing in, the queue, and decisions as plain forms."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, Response, g, request

from service.domain.lifecycle import Action, MoveError
from service.domain.reasons import REVIEW_REASONS
from service.store import comments
from service.store.comments import Conflict
from service.web import origins, pages
from service.web.api.moderation import decide
from service.web.auth import Caller, Right
from service.web.console import listing, outcome, session, words
from service.web.console.listing import Place
from service.web.console.outcome import Done, Notice
from service.web.console.session import Session
from service.web.errors import Problem
from service.web.fields import read_id
from service.web.routing import Call, services

_ACTIONS = {"publish": Action.PUBLISH, "reject": Action.REJECT}

blueprint = Blueprint("queue", __name__)
pages.speak(blueprint)


class SignedOut(Exception):
    """Raised when a page needs a session and there is none, or none any more. ended: there was one."""

    def __init__(self, place: Place, ended: bool) -> None:
        super().__init__()
        self.place, self.ended = place, ended


@dataclass(frozen=True, slots=True)
class Wish:
    """What a moderator wants done with a comment, as they saw it."""

    comment_id: UUID
    version: int
    action: Action
    reason: str | None


@blueprint.get("/queue")
def show() -> Response:
    """The queue, or the way in."""
    place = Place.of(request.args)
    current = _session(place)
    caller = _caller(current, Right.VIEW, place)
    notice = outcome.told(services(), current, caller, request.args.get("done", ""))
    return _queue(current, caller, place, notice)


@blueprint.get("/queue/<path:_>")
def elsewhere(_: str) -> Response:
    """Addresses that only take forms lead to the queue."""
    return pages.see_other("/queue")


@blueprint.post("/queue/sign-in")
def sign_in() -> Response:
    """Begin a session with a moderator's token."""
    pages.count_visit()
    parts, given = services(), pages.form(request)
    origins.check(parts.settings, strict=True)
    place = Place.read(given.get("place", ""))
    try:
        caller = parts.gate.admit(Right.VIEW, given.get("token", "").strip() or None)
    except Problem:
        return _sign_in(place, 403, error="This token does not open the queue. Check that it is whole and not too old.")
    assert caller.token is not None
    response = pages.see_other(place.link())
    session.keep(parts.settings, response, session.begin(caller.token.id, time.time()))
    return response


@blueprint.post("/queue/sign-out")
def sign_out() -> Response:
    """End the session, for every copy of its cookie."""
    current = _session(Place({}))
    _form(current)
    services().gate.end(current.nonce)
    response = pages.see_other("/queue")
    g.pop("session", None)
    session.drop(services().settings, response)
    return response


@blueprint.post("/queue/comments/<comment_id>")
def review(comment_id: str) -> Response:
    """Publish or reject a comment as it was seen, and lead back to the same place."""
    current, given, place = _opened()
    caller = _caller(current, Right.MODERATE, place)
    found, version = _named(comment_id), given.get("version", "")
    action, reason = given.get("action", ""), given.get("reason") or None
    if action not in _ACTIONS or not _whole(version) or (reason and reason not in REVIEW_REASONS):
        raise Problem("malformed-request", "The form is not whole.")
    return _decide(current, caller, place, Wish(found, int(version), _ACTIONS[action], reason))


@blueprint.post("/queue/undo")
def undo() -> Response:
    """Put a comment that was just decided back into the queue."""
    current, given, place = _opened()
    caller = _caller(current, Right.MODERATE, place)
    done = outcome.read(services(), current, given.get("done", ""))
    if done is None:
        raise Problem("conflict", "It is too late to undo this here.")
    return _decide(current, caller, place, Wish(done.comment_id, done.version, Action.FLAG, done.reason))


def _decide(current: Session, caller: Caller, place: Place, wish: Wish) -> Response:
    parts = services()
    with parts.database.connection() as connection:
        before = comments.see(connection, wish.comment_id, caller.sites).reason
    try:
        decided = decide(Call(parts, caller), wish.comment_id, wish.version, wish.action, wish.reason, None)
        done: Done | None = Done(decided.comment_id, str(wish.action), decided.version, before)
    except (Conflict, MoveError):
        done = outcome.repeated(parts, caller, wish.comment_id, str(wish.action), wish.version)
    if done is None:
        viewer = _caller(current, Right.VIEW, place)
        return _queue(current, viewer, place, outcome.too_late(parts, viewer, wish.comment_id), 409)
    return pages.see_other(place.link(done=outcome.write(parts, current, done)) + "#done")


# Who is here ---------------------------------------------------------------------------------------------------------


def _session(place: Place) -> Session:
    """The session of this request. Raises SignedOut."""
    parts = services()
    found = session.from_request(parts.settings, request, time.time())
    if found is None:
        raise SignedOut(place, session.cookie_name(parts.settings) in request.cookies)
    if parts.gate.ended(found.nonce):
        raise SignedOut(place, True)
    g.session = found
    return found


def _caller(current: Session, right: Right, place: Place) -> Caller:
    """Who signed in, with this right. Raises SignedOut when their token has ended, Problem without the right."""
    try:
        return services().gate.returning(right, current.token_id)
    except Problem as problem:
        if problem.kind == "unauthorized" or right is Right.VIEW:
            g.pop("session", None)
            raise SignedOut(place, True) from None
        raise Problem("forbidden", "Your token lets you read the queue, and decide nothing.") from None


def _form(current: Session) -> dict[str, str]:
    """A form of this session, sent from one of our pages. Raises Problem."""
    parts, given = services(), pages.form(request)
    origins.check(parts.settings, strict=True)
    if not session.opens_form(parts.keys, current, given.get("form", "")):
        raise Problem("forbidden", "This form is not of your session. Open the queue again, then decide.")
    return given


def _opened() -> tuple[Session, Mapping[str, str], Place]:
    """Session, form and place of a decision. Raises SignedOut or Problem."""
    place = Place.read(pages.form(request).get("place", ""))
    current = _session(place)
    return current, _form(current), place


@blueprint.after_request
def _renew(response: Response) -> Response:
    """Move the end of the session."""
    current: Session | None = g.get("session")
    if current is not None:
        used = current.used(time.time())
        if used is not current:
            session.keep(services().settings, response, used)
    return response


@blueprint.errorhandler(SignedOut)
def _signed_out(ended: SignedOut) -> Response:
    try:
        pages.count_visit()
    except Problem as full:  # nobody else handles what is raised here
        return pages.error(full)
    posted = request.method == "POST"
    lost = "Nothing was changed. " if posted else ""
    note = f"Your session has ended. {lost}Sign in again to go on." if ended.ended or posted else None
    response = _sign_in(ended.place, 403 if posted else 200, note)
    if ended.ended:
        session.drop(services().settings, response)
    return response


# Pages ---------------------------------------------------------------------------------------------------------------


def _queue(current: Session, caller: Caller, place: Place, notice: Notice | None, status: int = 200) -> Response:
    parts = services()
    found = listing.read(parts, caller, _deciding(current), place)
    at = None if notice is None else listing.position(found, notice.moment, notice.comment_id)
    return pages.page(
        "queue.html",
        status,
        caller=caller,
        form_token=session.form_token(parts.keys, current),
        listing=found,
        names=words.NAMES,
        notice=notice,
        notice_at=at,
        place=place,
        reasons=[str(reason) for reason in REVIEW_REASONS],
    )


def _sign_in(place: Place, status: int = 200, note: str | None = None, error: str | None = None) -> Response:
    return pages.page("sign_in.html", status, place=place, note=note, errors={"token": error} if error else {})


def _deciding(current: Session) -> list[UUID]:
    """The sites where whoever is here may decide."""
    try:
        return list(services().gate.returning(Right.MODERATE, current.token_id).sites)
    except Problem:
        return []


def _named(comment_id: str) -> UUID:
    found = read_id(comment_id)
    if found is None:
        raise Problem("not-found", "There is no such comment.")
    return found


def _whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10
