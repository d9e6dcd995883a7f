"""A person's decision on a comment, as they saw it."""

from collections.abc import Sequence
from uuid import UUID

from service import failpoints
from service.domain.lifecycle import Action, Actor
from service.domain.reasons import REVIEW_REASONS, Reason
from service.store import comments
from service.store.comments import Conflict, Decided, Ruling
from service.store.database import Connection


def decide(
    connection: Connection, comment_id: UUID, sites: Sequence[UUID] | None, version: int | None, action: Action,
    reason: str | None, note: str | None, by: str,
) -> Decided:  # fmt: skip
    """Publish, reject or flag a comment of these sites (None: of any); by whom is remembered.

    version: the one that was seen; None for the one of this moment. Runs inside the caller's transaction. Raises
    NotFound, Conflict or MoveError.
    """
    seen = comments.see(connection, comment_id, sites)
    if version is not None and seen.version != version:
        raise Conflict(str(seen.state), seen.version)
    failpoints.hit("seen")
    why = reason_of(action, reason, seen.reason)
    ruling = Ruling(
        comment_id, action, Actor.MODERATOR, seen.state, seen.version, seen.content_version, by,
        rule="moderator", reason=why, note=note,
    )  # fmt: skip
    return comments.decide_one(connection, ruling)


def reason_of(action: Action, given: str | None, before: str | None) -> Reason | None:
    """What is noted as the reason: none for a published comment, the one given, or the one it was flagged for.

    What only explains why a person had to look (no score, its language ...) is no reason to reject.
    """
    if action is Action.PUBLISH:
        return None
    if given is None and action is Action.REJECT and before not in REVIEW_REASONS:
        return Reason.OTHER
    return Reason(given or before or Reason.OTHER)
