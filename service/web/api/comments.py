"""Submitting comments and what their author may do with them."""

import re
from collections.abc import Callable, Mapping, Sequence
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any
from uuid import UUID

from flask import request
from marshmallow import ValidationError

from service import failpoints
from service.domain import text
from service.domain.reasons import PUBLIC_WORDS, Reason
from service.domain.submission import Submission
from service.store import comments, submissions
from service.store.comments import Conflict, Refused, Revision, Seen
from service.store.database import Busy, Connection
from service.store.sites import Site
from service.store.submissions import Accepted, RequestKey
from service.web import cors, schemas
from service.web.auth import Right
from service.web.errors import Problem, with_headers
from service.web.intake import accept_limits, site_limit, submission
from service.web.limits import Spent
from service.web.reading import problem_of
from service.web.routing import BATCH_BYTES, Answer, Call, Routes
from service.web.services import Services

routes = Routes("comments")

ROUTE = "POST /v1/comments"  # by which the key of a submission is kept
CHANGE_TRIES = 5  # how often an author's change looks again at a comment that changed meanwhile
#: A batch's comments; a problem stands for one that is not to be stored.
Items = Sequence[Submission | Problem]

_KEY = re.compile(r'"([\x20\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x7e][\x20-\x7e]{0,254})', re.ASCII)

#: Why a valid comment may still not be taken: kind of problem, what to do, and which member it is about.
REFUSALS: Mapping[str, tuple[str, str, str]] = {
    "thread_closed": (
        "conflict",
        "This thread is closed. Open it, or tell the author that it takes no comments.",
        "#/thread",
    ),
    "parent_unknown": (
        "conflict",
        "There is no comment of this id in your site. Leave parent_id out, or send another.",
        "#/parent_id",
    ),
    "parent_elsewhere": (
        "conflict",
        "The comment that is answered stands in another thread. Send its thread.",
        "#/parent_id",
    ),
    "parent_not_published": (
        "conflict",
        "The comment that is answered is not published. Answer another, or none.",
        "#/parent_id",
    ),
    "too_deep": ("conflict", "Replies nest too deep here. Answer a comment further up.", "#/parent_id"),
    "duplicate": ("conflict", "The same author posted the same text here some minutes ago. Send it once.", "#/body"),
}


@routes.add(
    "POST", "/v1/comments", Right.SUBMIT,
    body=schemas.Submission(), answers={202: schemas.AcceptedComment()}, keyed=True,
    problems=("conflict", "quota-exceeded"),
)  # fmt: skip
def submit_comment(call: Call) -> Answer:
    """Submit a comment; it is stored when this answers, and judged soon after."""
    site = site_of(call)
    key = request_key(call, ROUTE)
    taken = submission(call.services, site, call.body)
    return answer_of(call.services, *take(call.services, site, taken, key))


def answer_of(services: Services, accepted: Accepted, fields: Mapping[str, str]) -> Answer:
    """What somebody is told whose comment was accepted. fields: the RateLimit fields."""
    headers = {**fields, **({"Idempotent-Replayed": "true"} if accepted.replayed else {})}
    told = _accepted(services, accepted.id)  # written as its schema writes it: plain ASCII, and a URL of ours
    content = (
        f'{{"id": "{told["id"]}", "status": "{told["status"]}", "status_url": {_quoted(told["status_url"])}, '
        f'"status_token": "{told["status_token"]}"}}'
    )
    return Answer(content.encode(), 202, headers, written=True)


@routes.add(
    "POST", "/v1/comments/batch", Right.SUBMIT,
    body=schemas.Batch(), answers={200: schemas.BatchAnswer()}, keyed=True, most=BATCH_BYTES,
    problems=("quota-exceeded",),
)  # fmt: skip
def submit_batch(call: Call) -> Answer:
    """Submit up to 100 comments; each gets an answer of its own, in order."""
    site = site_of(call)
    key = request_key(call, "POST /v1/comments/batch")
    items = [_read_item(call.services, site, one) for one in call.body["comments"]]
    read, outcomes, replayed = _take_batch(call.services, site, items, key)
    fields = call.services.limits.fields([site_limit(call.services, site)])  # it is stored, whatever they say
    results = [_result(call.services, outcome, item) for outcome, item in zip(outcomes, read, strict=True)]
    return Answer({"results": results}, 200, {**fields, **({"Idempotent-Replayed": "true"} if replayed else {})})


@routes.add(
    "GET", "/v1/comments/{comment_id}", Right.STATUS,
    answers={200: schemas.CommentStatus()}, problems=("not-found",), asked_by_pages=True,
)  # fmt: skip
def comment_status(call: Call, comment_id: UUID) -> Answer:
    """Where a comment stands, in public words."""
    seen = _see(call, comment_id)
    if not call.caller.by_status_token:
        return Answer(_status(seen))  # a secret key is for no page
    site = call.services.gate.site_by_id(seen.site_id)
    return Answer(_status(seen), 200, cors.fields(site, request.headers.get("Origin")))


@routes.add(
    "PATCH", "/v1/comments/{comment_id}", Right.MANAGE,
    body=schemas.Revision(), answers={202: schemas.CommentStatus()}, problems=("not-found", "conflict"),
)  # fmt: skip
def edit_comment(call: Call, comment_id: UUID) -> Answer:
    """Change a comment for its author; it is judged anew, and until then readers see the old text."""
    revision = Revision(
        name=call.body.get("name"),
        body=call.body.get("body"),
        website=(call.body["website"] or "") if "website" in call.body else None,
        digest=text.digest(call.body["body"]) if "body" in call.body else None,
    )
    token_id = call.caller.token_id
    try:
        _change(call, comment_id, lambda connection, seen: comments.edit(connection, seen, revision, token_id))
    except Refused:
        detail = "This thread is closed: it takes no changes of comments. Open it first."
        raise Problem("conflict", detail, [{"detail": detail, "code": "thread_closed"}]) from None
    call.services.ring()
    return Answer(_status(_see(call, comment_id)), 202)


@routes.add(
    "DELETE", "/v1/comments/{comment_id}", Right.MANAGE,
    answers={200: schemas.CommentStatus()}, problems=("not-found", "conflict"),
)  # fmt: skip
def withdraw_comment(call: Call, comment_id: UUID) -> Answer:
    """Take a comment back for its author."""
    token_id = call.caller.token_id
    _change(call, comment_id, lambda connection, seen: comments.withdraw(connection, seen, token_id))
    return Answer(_status(_see(call, comment_id)))


def take(
    services: Services, site: Site, taken: Submission, key: RequestKey | None
) -> tuple[Accepted, Mapping[str, str]]:
    """Count a submission, store it and ring; what was accepted, and the RateLimit fields.

    A retry of what was accepted costs nothing and is never held up. What is not stored counts only as one of those
    that came at once. Raises Problem with nothing stored.
    """
    limits = services.limits
    try:
        spent = admit(services, site, taken)
    except Problem:
        first = _answered(services, site, key)
        if not first:
            raise
        return Accepted(UUID(first[0]), replayed=True), {}
    try:
        accepted = _store(services, taken, key)
    except Exception as error:
        fields = limits.give_back(spent, bursts=False)
        raise with_headers(error, fields) from None
    return accepted, limits.give_back(spent, bursts=True) if accepted.replayed else spent.fields


def admit(services: Services, site: Site, taken: Submission) -> Spent:
    """Count a submission that is about to be stored, alone or with others, under its limits and among what waits.

    Raises Problem (429, 503) with nothing counted.
    """
    spent = services.limits.spend(accept_limits(services, site, taken))
    try:
        services.room.admit(site)
    except Problem as full:
        raise with_headers(full, services.limits.give_back(spent, bursts=False)) from None
    return spent


def _answered(services: Services, site: Site, key: RequestKey | None) -> list[str] | None:
    """The outcomes of the first request with this key and body; None when there was none."""
    if key is None:
        return None
    with services.database.connection() as connection:
        return submissions.answered(connection, site.id, key)


def _store(services: Services, taken: Submission, key: RequestKey | None) -> Accepted:
    try:
        with services.database.connection() as connection:
            failpoints.hit("submitting")
            accepted = submissions.submit(connection, taken, key)
            failpoints.hit("committed")
    except Refused as refused:
        raise refusal(refused) from None
    except Busy:
        if key is None:
            raise
        raise _in_progress() from None
    services.ring()
    return accepted


def refusal(refused: Refused) -> Problem:
    """The problem that stands for a refusal of the store."""
    if refused.code == "key_reused":
        return Problem(
            "idempotency-key-reused",
            "This Idempotency-Key came with another body before. Send a new key for a new comment.",
        )
    kind, detail, pointer = REFUSALS[refused.code]
    return Problem(kind, detail, [{"detail": detail, "pointer": pointer, "code": refused.code}])


def request_key(call: Call, route: str) -> RequestKey | None:
    """The Idempotency-Key of this request, with or without quotes. Raises Problem when it is none."""
    if call.key is None:
        return None
    found = _KEY.fullmatch(call.key.strip())
    if found is None:
        raise Problem(
            "malformed-request", "Idempotency-Key must be 1 to 255 printable ASCII characters, best in quotes."
        )
    return RequestKey(route, found[1] or found[2], call.services.keys.fingerprint(call.raw))


def reason_words(reason: str | None) -> dict[str, str] | None:
    """A reason as the public hears it."""
    if reason is None:
        return None
    return {"code": reason, "text": PUBLIC_WORDS[Reason(reason)]}


def site_of(call: Call) -> Site:
    """The site of a caller with a secret key."""
    assert call.caller.site is not None  # a secret key has one
    return call.caller.site


def _change(call: Call, comment_id: UUID, change: Callable[[Connection, Seen], object]) -> None:
    """Change a comment as it stands. The author named no version: when a verdict came in between, look again.

    Raises Conflict when that happened again and again, and whatever `change` raises.
    """
    for left in reversed(range(CHANGE_TRIES)):
        try:
            with call.services.database.transaction() as connection:
                change(connection, comments.see(connection, comment_id, call.caller.sites))
            return
        except Conflict:
            if not left:
                raise


def _see(call: Call, comment_id: UUID) -> Seen:
    with call.services.database.connection() as connection:
        return comments.see(connection, comment_id, None if call.caller.by_status_token else call.caller.sites)


def _status(seen: Seen) -> dict[str, Any]:
    return {
        "id": seen.id,
        "status": str(seen.state),
        "reason": reason_words(seen.reason),
        "edit_pending": seen.due and seen.content_version > 1,
        "version": seen.version,
        "created_at": seen.created_at,
        "updated_at": seen.updated_at,
        "published_at": seen.published_at,
    }


def _accepted(services: Services, comment_id: UUID) -> dict[str, Any]:
    return {
        "id": comment_id,
        "status": "pending",
        "status_url": f"{services.settings.public_url}/v1/comments/{comment_id}",
        "status_token": services.keys.status_token(comment_id),
    }


def _read_item(services: Services, site: Site, item: Any) -> Submission | Problem:
    if not isinstance(item, Mapping):
        errors = [{"detail": "must be an object", "pointer": "#", "code": "type"}]
        return Problem("validation-error", "The comment must be an object.", errors)
    try:
        return submission(services, site, schemas.Submission().load(item))
    except ValidationError as error:
        return problem_of(error, "pointer")
    except Problem as problem:
        return problem


def _result(services: Services, outcome: str, item: Submission | Problem) -> dict[str, Any]:
    if not outcome.startswith("!"):
        return {"code": 202, "comment": schemas.AcceptedComment().dump(_accepted(services, UUID(outcome)))}
    problem = _item_problem(outcome[1:], item)
    return {"code": problem.status, "problem": problem.document()}


def _item_problem(word: str, item: Submission | Problem) -> Problem:
    """Why an item was not taken; `word` is the store's, or the kind of problem it had before it came there."""
    if word in REFUSALS:
        return refusal(Refused(word))
    if isinstance(item, Problem):
        return item
    return Problem(word, "This comment was not taken the first time. Send it again in another batch.")


def _take_batch(
    services: Services, site: Site, read: Items, key: RequestKey | None
) -> tuple[Items, Sequence[str], bool]:
    """Count a batch, store it and ring: its items, an outcome for each, and whether they are replayed.

    As in `take`, a retry costs nothing and is never held up. Items the store refuses stay counted: a batch may come at
    once, so its windows are all that bounds it. Raises Problem with nothing stored.
    """
    try:
        kept, spent = _within_limits(services, site, read)
    except Problem:
        first = _answered(services, site, key)
        if not first:
            raise
        return read, first, True
    try:
        outcomes, replayed = _store_batch(services, site, kept, key)
    except Exception:
        _give_back(services, spent)
        raise
    if replayed:
        _give_back(services, spent)
    return kept, outcomes, replayed


def _store_batch(services: Services, site: Site, kept: Items, key: RequestKey | None) -> tuple[Sequence[str], bool]:
    words = [item.kind if isinstance(item, Problem) else item for item in kept]
    try:
        with services.database.transaction() as connection:
            stored = submissions.submit_batch(connection, site.id, words, key)
    except Refused as refused:
        raise refusal(refused) from None
    except Busy:
        if key is None:
            raise
        raise _in_progress() from None
    services.ring()
    return stored


def _give_back(services: Services, spent: Sequence[Spent]) -> None:
    for one in spent:
        services.limits.give_back(one, bursts=True)


def _within_limits(services: Services, site: Site, read: Items) -> tuple[Items, Sequence[Spent]]:
    """`read` with a problem in place of each comment over a limit: its author or network holds up nobody else's.

    With what the others were counted as. Raises Problem (429) when that leaves no comment at all, or 429 or 503 when
    there is no room for any.
    """
    kept: list[Submission | Problem] = []
    spent: list[Spent] = []
    over: Problem | None = None
    for item in read:
        try:
            if isinstance(item, Submission):
                spent.append(services.limits.spend(accept_limits(services, site, item), gathered=True))
            kept.append(item)
        except Problem as problem:
            kept.append(over := problem)
    if over is not None and not spent:
        raise over
    try:
        services.room.admit(site, len(spent))
    except Problem:
        _give_back(services, spent)
        raise
    return kept, spent


def _in_progress() -> Problem:
    return Problem(
        "idempotency-in-progress",
        "The first request with this Idempotency-Key still runs. Send this one again in a moment.",
        headers={"Retry-After": "1"},
    )
