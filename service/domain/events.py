"""Events: what a site's other systems are told, in bytes that are the same however often it is told."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from service.domain.reasons import LABELS

EVENTS = (
    "comment.published", "comment.flagged", "comment.rejected", "comment.changed", "comment.withdrawn",
    "comment.erased",
)  # fmt: skip
#: Sent on demand to one endpoint, whatever it listens to.
TEST = "endpoint.test"
#: What an endpoint may listen to: events by name, or all of comments, with those to come.
FILTERS = ("comment.*", *EVENTS)
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LENGTH = 27


@dataclass(frozen=True, slots=True)
class Told:
    """One decision, as far as anybody outside is told of it. All of it is written once and never changed.

    scores: None where the endpoint did not ask for them, or nothing was scored.
    """

    comment_id: UUID
    thread_id: UUID
    seq: int
    from_state: str
    to_state: str
    action: str
    actor: str
    reason: str | None
    rule: str | None
    version: int
    content_version: int
    policy_version: int | None
    scores: Mapping[str, float | None] | None = None


def message_id(event_id: UUID) -> str:
    """The id under which receivers know an event: msg_ and 27 letters and digits, the event's id in base 62."""
    rest, digits = event_id.int, ""
    for _ in range(_LENGTH):
        rest, digit = divmod(rest, 62)
        digits = _DIGITS[digit] + digits
    return f"msg_{digits}"


def payload(event: str, at: datetime, site: str, endpoint_id: UUID, told: Told | None) -> bytes:
    """The body of a message: one line of JSON, ASCII, under 20 kB.

    at: when it happened. site: its public id. endpoint_id: whom a test is for. told: None for a test.
    """
    data = {"site": site, "endpoint_id": str(endpoint_id)} if told is None else {"site": site, **_decision(told)}
    moment = at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    return json.dumps({"type": event, "timestamp": moment, "data": data}, separators=(",", ":")).encode()


def _decision(told: Told) -> dict[str, Any]:
    scores = told.scores
    return {
        "comment_id": str(told.comment_id),
        "thread_id": str(told.thread_id),
        "seq": told.seq,
        "from_status": told.from_state,
        "to_status": told.to_state,
        "reason": told.reason,
        "action": told.action,
        "actor": told.actor,
        "rule": told.rule,
        "version": told.version,
        "content_version": told.content_version,
        "policy_version": told.policy_version,
        **({} if scores is None else {"scores": {label: scores.get(label) for label in LABELS}}),
    }
