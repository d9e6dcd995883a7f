"""The moderators' routes: the queue, the review of a comment, and decisions."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from classifier import Context, Model
from service import failpoints, reviewing
from service.domain import text
from service.domain.lifecycle import Action
from service.domain.reasons import LABELS
from service.store import comments, queue
from service.store.queue import Filter, Flagged, Review
from service.web import paging, schemas
from service.web.auth import Right
from service.web.errors import Problem
from service.web.routing import Answer, Call, Routes
from service.web.services import Services

routes = Routes("moderation")

SPOKE = 6  # words shown for and against a label
_BAND = re.compile(schemas.SCORE_BAND, re.ASCII)


@routes.add(
    "GET", "/v1/queue", Right.VIEW,
    query=schemas.QueueQuery(), answers={200: schemas.Queue()}, problems=("not-found",),
)  # fmt: skip
def list_queue(call: Call) -> Answer:
    """Flagged comments that wait for a moderator, with counts."""
    wanted = filter_of(call)
    listing = f"queue {call.query['order']}"
    after = paging.place(call.services.keys, listing, call.query["cursor"])
    limit = call.query["limit"]
    with call.services.database.connection() as connection:
        found = queue.flagged(connection, wanted, limit + 1, after, call.query["order"] == "newest")
        count, exact = queue.count(connection, wanted)
        totals = queue.totals(connection, wanted.sites)
    more, found = len(found) > limit, found[:limit]
    next_cursor = paging.cursor(call.services.keys, listing, (found[-1].created_at, found[-1].id) if more else None)
    data = {
        "comments": [item(comment) for comment in found],
        "count": count,
        "count_exact": exact,
        "count_text": f"{count:,}" if exact else f"{count:,}+",
        "totals": totals,
        "next_cursor": next_cursor,
    }
    return Answer(data, 200, paging.links(next_cursor))


@routes.add(
    "GET", "/v1/comments/{comment_id}/review", Right.VIEW, answers={200: schemas.ReviewView()}, problems=("not-found",)
)
def review_comment(call: Call, comment_id: UUID) -> Answer:
    """All that a moderator needs to judge one comment."""
    with call.services.database.connection() as connection:
        found = queue.review(connection, comment_id, call.caller.sites)
    return Answer(review_view(call.services, found))


@routes.add(
    "POST", "/v1/comments/{comment_id}/decisions", Right.MODERATE,
    body=schemas.Review(), answers={200: schemas.Decided()}, problems=("not-found", "conflict"),
)  # fmt: skip
def decide_comment(call: Call, comment_id: UUID) -> Answer:
    """Publish, reject or flag a comment as you saw it; 409 when somebody was first."""
    reason = call.body["reason"]
    decided = decide(call, comment_id, call.body["version"], Action(call.body["action"]), reason, call.body["note"])
    return Answer(decided)


def decide(
    call: Call, comment_id: UUID, version: int, action: Action, reason: str | None, note: str | None
) -> comments.Decided:
    """Carry out a moderator's decision. Raises NotFound, Conflict or MoveError."""
    assert call.caller.token is not None  # a moderator has one
    with call.services.database.transaction() as connection:
        decided = reviewing.decide(
            connection, comment_id, call.caller.sites, version, action, reason, note, call.caller.token.id
        )
        failpoints.hit("reviewing")
    failpoints.hit("reviewed")
    return decided


def filter_of(call: Call) -> Filter:
    """The filter in a queue's query, within the sites the caller may see. Raises Problem."""
    query = call.query
    sites: Sequence[UUID] = call.caller.sites
    if "site" in query:
        site = call.services.gate.site(query["site"])
        if site.id not in sites:
            raise Problem("not-found", "There is no such site, or this token may not see it.")
        sites = [site.id]
    return Filter(
        sites=sites,
        reason=query.get("label"),
        score=_band(query.get("score")),
        thread=query.get("thread"),
        older=query.get("older_than"),
        newer=query.get("newer_than"),
        language=query.get("language"),
        text=query.get("text"),
    )


def _band(given: str | None) -> tuple[str, float, float] | None:
    """A band such as toxicity:0.5-0.9; one whose ends are crossed holds nothing. Raises Problem."""
    if given is None:
        return None
    found = _BAND.fullmatch(given)
    if found is None:
        detail = "must be LABEL:LOW-HIGH, such as toxicity:0.5-0.9"
        raise Problem(
            "validation-error", f"score {detail}.", [{"detail": detail, "parameter": "score", "code": "invalid"}]
        )
    return found["label"], float(found["low"]), float(found["high"])


def item(comment: Flagged) -> dict[str, Any]:
    """A comment as a moderator gets it; addresses in its text are masked."""
    return {
        "id": comment.id,
        "site": comment.site,
        "thread": {
            "id": comment.thread_id, "key": comment.thread_key, "url": comment.thread_url,
            "title": comment.thread_title,
        },
        "parent_id": comment.parent_id,
        "name": text.mask(comment.name),
        "website": _masked(comment.website),
        "body": text.mask(comment.body),
        "status": comment.state,
        "label": comment.reason,
        "rule": comment.rule,
        "scores": comment.scores,
        "language": comment.language,
        "version": comment.version,
        "created_at": comment.created_at,
    }  # fmt: skip


def _masked(written: str | None) -> str | None:
    return written and text.mask(written)


def review_view(services: Services, review: Review, explained: int = 3) -> dict[str, Any]:
    """A review as a moderator gets it; addresses are masked wherever somebody wrote one.

    explained: labels for which words are named; each costs a pass of the model.
    """
    comment = review.comment
    parent = review.parent
    return {
        **item(comment),
        "saw": comment.saw,
        "model": review.model,
        "waiting": review.waiting,
        "thread_closed": review.thread_closed,
        "spoke": spoke(services.model(), comment, explained),
        "parent": parent and {
            "id": parent[0], "name": text.mask(parent[1]), "body": text.mask(parent[2]), "status": parent[3],
        },
        "author": {
            "comments": review.author, "since": review.author_since, "domain_class": review.domain_class,
            "verified": review.author_verified, "network": review.author_prefix,
            "user_agent": _masked(review.user_agent), "referrer": _masked(review.referrer),
        },
        "decisions": [replace(each, note=_masked(each.note)) for each in review.decisions],
    }  # fmt: skip


def spoke(model: Model | None, comment: Flagged, most: int) -> list[dict[str, Any]]:
    """What spoke for and against: the label it is held for, then the highest scores, `most` in all."""
    scores: Mapping[str, float | None] = comment.scores
    if model is None or all(score is None for score in scores.values()):
        return []
    masked = text.mask(comment.body)
    by_score = sorted((label for label in LABELS if scores[label] is not None), key=lambda label: -(scores[label] or 0))
    first = [comment.reason] if comment.reason in by_score else []
    labels = [*first, *(label for label in by_score if label not in first)][:most]
    beside = Context(name=comment.name, website=comment.website or "")
    return [{"label": label, "score": scores[label], **_words(model, masked, label, beside)} for label in labels]


def _words(model: Model, body: str, label: str, beside: Context) -> dict[str, Any]:
    found = model.explain(body, label, SPOKE * 2, beside)
    shown: list[dict[str, Any]] = [
        {"text": word.text, "start": word.start, "end": word.end, "weight": word.log_odds} for word in found.words
    ]
    return {
        "for_": [word for word in shown if word["weight"] > 0][:SPOKE],
        "against": [word for word in shown if word["weight"] < 0][:SPOKE],
        "named": [{"name": flag.name, "weight": flag.log_odds} for flag in found.flags if flag.log_odds],
    }
