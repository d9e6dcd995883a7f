"""What becomes of a comment that was just sent, told to its author alone."""

import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from service.domain.lifecycle import State
from service.domain.reasons import PUBLIC_WORDS, Reason
from service.store import comments
from service.store.comments import NotFound, Seen
from service.web.embed.discussion import Discussion
from service.web.services import Services

LASTING = 3600  # seconds in which a receipt says something
_SOON = 1  # second in which a verdict may still be due
_FORM = struct.Struct(">16sq")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the page says after a form was sent. waiting: the answer will change soon."""

    words: str
    comment_id: UUID
    published: bool = False
    waiting: bool = False


def write(services: Services, discussion: Discussion, comment_id: UUID, now: Callable[[], float] = time.time) -> str:
    """A signed text that opens the state of this one comment for an hour."""
    return services.keys.sign(_purpose(discussion), _FORM.pack(comment_id.bytes, int(now())))


def read(
    services: Services, discussion: Discussion, text: str | None, now: Callable[[], float] = time.time
) -> Receipt | None:
    """What to tell the bearer of a receipt; None without a good one.

    A comment that was thrown away unread looks like one that waits for a moderator.
    """
    payload = services.keys.unsign(_purpose(discussion), text or "")
    if payload is None or len(payload) != _FORM.size:
        return None
    raw, sent = _FORM.unpack(payload)
    age = now() - sent
    if age > LASTING:
        return None
    comment_id = UUID(bytes=raw)
    seen = _seen(services, discussion, comment_id)
    state = seen.state if seen else State.PENDING if age <= _SOON else State.FLAGGED
    return Receipt(_words(state, seen), comment_id, state is State.PUBLISHED, state is State.PENDING)


_WORDS = {
    State.PENDING: "Thank you. Your comment is being checked; that takes a moment.",
    State.PUBLISHED: "Thank you. Your comment is published.",
    State.FLAGGED: "Thank you. Your comment is waiting to be read by a moderator.",
    State.REJECTED: "Your comment was not taken.",
    State.WITHDRAWN: "Your comment was taken back.",
    State.ERASED: "Your comment was erased.",
}


def _words(state: State, seen: Seen | None) -> str:
    why = PUBLIC_WORDS[Reason(seen.reason)] if seen and seen.reason and state is State.REJECTED else ""
    return f"{_WORDS[state]} {why}".strip()


def _seen(services: Services, discussion: Discussion, comment_id: UUID) -> Seen | None:
    try:
        with services.database.connection() as connection:
            return comments.see(connection, comment_id, [discussion.site.id])
    except NotFound:
        return None


def _purpose(discussion: Discussion) -> str:
    return f"receipt {discussion.site.id}"
