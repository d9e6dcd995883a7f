"""Taking submissions in: one database function stores a comment with its contact, its thread and its request's key."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from json import dumps
from typing import Any
from uuid import UUID

from service.domain.ids import new_id
from service.domain.submission import Submission
from service.store.comments import Refused
from service.store.database import Connection
from service.store.prepared import Prepared

DUPLICATE_WINDOW = timedelta(minutes=10)

#: What `comity.submit` is called with, in its order: names in the JSON of `_row`, and their types.
_COLUMNS = {
    "route": "text", "key": "text", "fingerprint": "bytea",
    "id": "uuid", "site": "uuid", "new_thread": "uuid", "thread_key": "text", "thread_url": "text",
    "thread_title": "text", "parent": "uuid", "name": "text", "body": "text", "website": "text", "digest": "bytea",
    "prefix": "text", "user_agent": "text", "referrer": "text", "language": "text", "submitted_at": "timestamptz",
    "verified": "boolean", "notify": "boolean",
    "key_id": "text", "sealed": "bytea", "author": "bytea", "domain": "bytea", "class": "text",
}  # fmt: skip
#: Many submissions in one statement, one after the other. As JSON: the driver takes longer for that many parameters.
_SUBMIT = Prepared(
    "submit",
    f"""
SELECT s.outcome, s.comment_id
FROM json_to_recordset(%s::json) AS i (n integer, {", ".join(f'"{name}" {kind}' for name, kind in _COLUMNS.items())}),
LATERAL comity.submit({", ".join(f'i."{name}"' for name in _COLUMNS)}, %s::interval) AS s
ORDER BY i.n
""",
)

_SUBMIT_MANY = Prepared("submit_many", "SELECT comity.submit_many(%s::json)")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A comment that is stored. replayed: it was, by an earlier request with the same key."""

    id: UUID
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class RequestKey:
    """The sender's Idempotency-Key on a route, with the keyed digest of the body it came with."""

    route: str
    key: str
    fingerprint: bytes


def submit(connection: Connection, submission: Submission, key: RequestKey | None = None) -> Accepted:
    """Store a submission with its contact and its key, in one statement; pending from then on.

    Raises Refused, with nothing stored. On an autocommit connection the return means it was committed.
    """
    outcome = submit_all(connection, [(submission, key)])[0]
    if isinstance(outcome, Refused):
        raise outcome
    return outcome


def submit_all(
    connection: Connection, submissions: Sequence[tuple[Submission, RequestKey | None]]
) -> list[Accepted | Refused]:
    """The same for several in one statement, one after the other: what became of each, in order.

    One that is refused leaves nothing and does not hinder the others; an exception says that none is stored.
    """
    found = _SUBMIT.rows(connection, [rows(submissions), f"{DUPLICATE_WINDOW.total_seconds()} seconds"])
    return [_outcome(word, comment_id) for word, comment_id in found]


def submit_many(connection: Connection, submissions: str) -> set[UUID]:
    """Store several at once that have a key, as `rows` writes them: the ids of those that are stored.

    The others are untouched; each may be stored by `submit`, or be refused there. On an autocommit connection the
    return means that all were committed, and an exception that none was, unless it says that the connection is lost.
    """
    return {UUID(comment_id) for (comment_id,) in _SUBMIT_MANY.rows(connection, [submissions])}


def _outcome(word: str, comment_id: str) -> Accepted | Refused:
    if word in ("accepted", "replayed"):
        return Accepted(UUID(comment_id), replayed=word == "replayed")
    return Refused(word)


def answered(connection: Connection, site_id: UUID, key: RequestKey) -> list[str] | None:
    """The outcomes of an earlier request with this key and body, as `submit_batch` returns them; None without one."""
    row = connection.execute(
        "SELECT outcomes FROM comity.idempotency WHERE site_id = %s AND route = %s AND key = %s AND fingerprint = %s "
        "AND created_at >= now() - interval '24 hours'",
        [site_id, key.route, key.key, key.fingerprint],
    ).fetchone()
    return None if row is None else list(row.outcomes)


def submit_batch(
    connection: Connection, site_id: UUID, submissions: Sequence[Submission | str], key: RequestKey | None
) -> tuple[list[str], bool]:
    """Store many in one transaction (the caller's). A word stands for an item that is not to be taken, and says why.

    Returns an outcome per item, a comment's id or "!" and that word or the code of `Refused`, and whether they are
    replayed.
    Raises Refused("key_reused").
    """
    if key is not None:
        taken = connection.execute(
            "SELECT answer, outcomes FROM comity.take_key(%s, %s, %s, %s)",
            [site_id, key.route, key.key, key.fingerprint],
        ).fetchone()
        assert taken is not None
        if taken.answer == "reused":
            raise Refused("key_reused")
        if taken.answer == "replayed":
            return taken.outcomes, True
    outcomes = _submit_items(connection, submissions)
    if key is not None:
        connection.execute("SELECT comity.settle_key(%s, %s, %s, %s)", [site_id, key.route, key.key, outcomes])
    return outcomes, False


def _submit_items(connection: Connection, submissions: Sequence[Submission | str]) -> list[str]:
    taken = iter(submit_all(connection, [(one, None) for one in submissions if isinstance(one, Submission)]))
    return [f"!{one}" if isinstance(one, str) else _word(next(taken)) for one in submissions]


def _word(outcome: Accepted | Refused) -> str:
    return f"!{outcome.code}" if isinstance(outcome, Refused) else str(outcome.id)


def rows(submissions: Sequence[tuple[Submission, RequestKey | None]]) -> str:
    """Submissions as JSON, for the database."""
    return dumps([_row(n, *one) for n, one in enumerate(submissions)], ensure_ascii=False)


def _row(n: int, submission: Submission, key: RequestKey | None) -> dict[str, Any]:
    contact, place, parent = submission.contact, submission.place, submission.parent_id
    return {
        "n": n,
        "route": key and key.route,
        "key": key and key.key,
        "fingerprint": key and _hex(key.fingerprint),
        "id": submission.id.hex,
        "site": submission.site_id.hex,
        "new_thread": new_id().hex,
        "thread_key": place.key,
        "thread_url": place.url,
        "thread_title": place.title,
        "parent": parent and parent.hex,
        "name": submission.name,
        "body": submission.body,
        "website": submission.website,
        "digest": _hex(submission.digest),
        "prefix": submission.author_prefix,
        "user_agent": submission.user_agent,
        "referrer": submission.referrer,
        "language": submission.language,
        "submitted_at": submission.submitted_at and submission.submitted_at.astimezone(UTC).isoformat(),
        "verified": submission.author_verified,
        "notify": submission.notify,
        "key_id": contact.key_id,
        "sealed": _hex(contact.sealed),
        "author": _hex(contact.author_index),
        "domain": _hex(contact.domain_index),
        "class": contact.domain_class,
    }


def _hex(value: bytes) -> str:
    """Bytes as PostgreSQL reads them in a text."""
    return f"\\x{value.hex()}"
