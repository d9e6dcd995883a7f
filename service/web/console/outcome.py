"""What a moderator hears after a decision, with the way back; and after one that came too late."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.domain import text
from service.store import queue
from service.store.comments import NotFound
from service.store.queue import Review
from service.web.auth import Caller
from service.web.console.session import Session
from service.web.services import Services

LASTING = 600  # seconds in which a decision is told, and can be undone from there
#: After each action: what was done, and what is so now.
_SAID = {
    "publish": ("Published.", "stands on its page now."),
    "reject": ("Rejected.", "is not shown."),
    "flag": ("Undone.", "waits in the queue again."),
}


@dataclass(frozen=True, slots=True)
class Done:
    """A decision of this session. reason: why the comment waited before it."""

    comment_id: UUID
    action: str
    version: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class Notice:
    """What the page says, and beside which comment: `words`, then of the comment by `name`, `more`.

    undo: the signed decision that can be taken back.
    """

    good: bool
    words: str
    more: str
    name: str
    moment: datetime
    comment_id: UUID
    undo: str | None = None


def write(services: Services, session: Session, done: Done, now: Callable[[], float] = time.time) -> str:
    """A decision as a signed text for this session."""
    told = [done.comment_id.hex, done.action, done.version, done.reason, int(now())]
    return services.keys.sign(_purpose(session), json.dumps(told).encode())


def read(services: Services, session: Session, given: str, now: Callable[[], float] = time.time) -> Done | None:
    """The decision in a signed text; None when it is old, or not of this session."""
    payload = services.keys.unsign(_purpose(session), given)
    if payload is None:
        return None
    comment_id, action, version, reason, at = json.loads(payload)
    return Done(UUID(comment_id), action, version, reason) if now() - at <= LASTING else None


def told(services: Services, session: Session, caller: Caller, given: str) -> Notice | None:
    """What to say of a decision that was just made."""
    done = read(services, session, given)
    review = None if done is None else _review(services, caller, done.comment_id)
    if done is None or review is None:
        return None
    words, more = _SAID[done.action]
    if review.comment.version != done.version:
        return _notice(review, True, words, f"was changed again since: it is {review.comment.state} now.")
    return _notice(review, True, words, more, None if done.action == "flag" else given)


def repeated(services: Services, caller: Caller, comment_id: UUID, action: str, version: int) -> Done | None:
    """The caller's own decision, when the same form came twice: the second click finds the first one's work."""
    review = _review(services, caller, comment_id)
    if review is None or caller.token is None or review.comment.version != version + 1:
        return None
    *earlier, last = review.decisions
    if (last.token_id, last.action) != (caller.token.id, action):
        return None
    return Done(comment_id, action, last.version, earlier[-1].reason if earlier else None)


def too_late(services: Services, caller: Caller, comment_id: UUID) -> Notice:
    """What to say of a decision on a comment that had moved on. Raises NotFound."""
    review = _review(services, caller, comment_id)
    if review is None:
        raise NotFound
    words, state = "Nothing was done.", review.comment.state
    if state == "flagged":
        return _notice(review, False, words, "was changed meanwhile. Read it again, then decide.")
    by = f", decided by {_ACTORS[review.decisions[-1].actor]}" if review.decisions else ""
    return _notice(review, False, words, f"is {state} already{by}.")


_ACTORS = {
    "policy": "the site's policy", "moderator": "a moderator", "author": "its author", "website": "its website",
    "operator": "the operator",
}  # fmt: skip


def _notice(review: Review, good: bool, words: str, more: str, undo: str | None = None) -> Notice:
    comment = review.comment
    return Notice(good, words, more, text.mask(comment.name), comment.created_at, comment.id, undo)


def _review(services: Services, caller: Caller, comment_id: UUID) -> Review | None:
    try:
        with services.database.connection() as connection:
            return queue.review(connection, comment_id, caller.sites)
    except NotFound:
        return None


def _purpose(session: Session) -> str:
    return f"done {session.nonce.hex()}"
