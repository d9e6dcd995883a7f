"""Deliveries as a site's people see them: looked at, sent again, dropped."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from service.domain.events import TEST
from service.domain.ids import new_id
from service.domain.lifecycle import State
from service.store import failing
from service.store.comments import NotFound
from service.store.database import Connection
from service.store.outbox import ERASED, HEARS

STATES = ("pending", "delivered", "dead", "dropped")
AT_ONCE = 10_000  # events of a range that are taken at once


class Erased(Exception):
    """Raised when a comment was erased, so that nothing but that is told of it."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one endpoint. at: when it happened. due_at: when it is sent next, while it is pending.

    status, error: of the last attempt; None before the first.
    """

    id: UUID
    endpoint_id: UUID
    event_id: UUID
    event: str
    comment_id: UUID | None
    seq: int | None
    state: str
    attempts: int
    at: datetime
    due_at: datetime | None
    done_at: datetime | None
    status: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt whose end was seen. answer: its first bytes."""

    number: int
    at: datetime
    status: int | None
    took: float
    error: str | None
    answer: bytes


_SELECT = """
SELECT d.id, d.endpoint_id, d.event_id, d.event, d.comment_id, d.seq, d.state, d.attempts, d.at,
       CASE WHEN d.state = 'pending' THEN d.due_at END AS due_at, d.done_at, last.status, last.error
FROM comity.delivery d
JOIN comity.endpoint e ON e.id = d.endpoint_id
LEFT JOIN LATERAL (
    SELECT a.status, a.error FROM comity.attempt a WHERE a.delivery_id = d.id ORDER BY a.at DESC, a.id DESC LIMIT 1
) AS last ON true
WHERE e.site_id = %(site)s AND e.removed_at IS NULL AND d.endpoint_id = %(endpoint)s
"""


def listed(
    connection: Connection, site_id: UUID, endpoint_id: UUID, states: Sequence[str], limit: int,
    before: tuple[datetime, UUID] | None,
) -> list[Delivery]:  # fmt: skip
    """An endpoint's deliveries in these states (none: in any), newest event first, those before a place alone."""
    found = connection.execute(
        f"{_SELECT} AND (%(states)s::text[] = '{{}}' OR d.state = ANY(%(states)s)) "
        "AND (%(at)s::timestamptz IS NULL OR (d.at, d.id) < (%(at)s, %(id)s::uuid)) "
        "ORDER BY d.at DESC, d.id DESC LIMIT %(limit)s",
        {
            "site": site_id, "endpoint": endpoint_id, "states": list(states), "limit": limit,
            "at": before and before[0], "id": before and before[1],
        },
    ).fetchall()  # fmt: skip
    return [Delivery(*row) for row in found]


def one(connection: Connection, site_id: UUID, endpoint_id: UUID, delivery_id: UUID) -> Delivery:
    """A delivery of an endpoint of this site. Raises NotFound."""
    row = connection.execute(
        f"{_SELECT} AND d.id = %(id)s", {"site": site_id, "endpoint": endpoint_id, "id": delivery_id}
    ).fetchone()
    if row is None:
        raise NotFound
    return Delivery(*row)


def attempts(connection: Connection, delivery_id: UUID) -> list[Attempt]:
    """The attempts at a delivery, newest first."""
    rows = connection.execute(
        "SELECT number, at, status, took, error, answer FROM comity.attempt WHERE delivery_id = %s "
        "ORDER BY at DESC, id DESC LIMIT 100",
        [delivery_id],
    ).fetchall()
    return [Attempt(row.number, row.at, row.status, row.took, row.error, bytes(row.answer)) for row in rows]


def add_test(connection: Connection, endpoint_id: UUID) -> UUID:
    """Have this endpoint alone told an endpoint.test; the delivery's id."""
    delivery_id = new_id()
    connection.execute(
        "INSERT INTO comity.delivery (id, endpoint_id, event_id, event, scores) VALUES (%s, %s, %s, %s, false)",
        [delivery_id, endpoint_id, new_id(), TEST],
    )
    return delivery_id


_AFRESH = "state = 'pending', due_at = now(), attempts = 0, lease = NULL, lease_until = NULL, done_at = NULL"


def resend(connection: Connection, delivery_id: UUID) -> bool:
    """Send a delivery now, with all its attempts before it; False while somebody is sending it.

    Raises Erased. Runs inside the caller's transaction, in which its comment is not erased.
    """
    row = connection.execute(
        "SELECT c.state FROM comity.comment c JOIN comity.delivery d ON d.comment_id = c.id "
        "WHERE d.id = %s AND d.event <> %s FOR SHARE OF c",
        [delivery_id, ERASED],
    ).fetchone()
    if row is not None and row.state == State.ERASED:
        raise Erased
    done = connection.execute(
        f"UPDATE comity.delivery SET {_AFRESH} WHERE id = %s AND (lease IS NULL OR lease_until <= now())", [delivery_id]
    )
    return done.rowcount == 1


#: What is locked is on its way, or just coming back: its own end says when it is due. Waiting for it would turn the
#: order of locks round, since the endpoint is locked by now.
_WAKE = f"""
UPDATE comity.delivery SET {_AFRESH} WHERE id IN (
    SELECT id FROM comity.delivery
    WHERE endpoint_id = %s AND state = 'pending' AND (due_at > now() OR attempts > 0)
      AND (lease IS NULL OR lease_until <= now())
    FOR NO KEY UPDATE SKIP LOCKED
)
"""


def wake(connection: Connection, endpoint_id: UUID) -> None:
    """Send all that waits for an endpoint now, with all its attempts before it.

    Runs inside the caller's transaction.
    """
    connection.execute(_WAKE, [endpoint_id])


def drop(connection: Connection, endpoint_id: UUID, delivery_id: UUID | None = None) -> int:
    """Give up what is pending of an endpoint, or this one; how many. One that is being sent may still arrive.

    Runs inside the caller's transaction.
    """
    count = connection.execute(
        "UPDATE comity.delivery SET state = 'dropped', done_at = now(), lease = NULL, lease_until = NULL "
        "WHERE endpoint_id = %s AND state = 'pending' AND (%s::uuid IS NULL OR id = %s)",
        [endpoint_id, delivery_id, delivery_id],
    ).rowcount
    failing.clear(connection, [endpoint_id])
    return count


@dataclass(frozen=True, slots=True)
class Resent:
    """How many deliveries of a range are due now; go_on: where the range goes on, None at its end."""

    count: int
    go_on: datetime | None


#: Events that the endpoint hears today: those it was told, and those of the outbox that it never was; of comments that
#: were erased only that. A range that is cut ends before an instant, so that it goes on there: far fewer happen in one
#: than are taken at once.
_RANGE = f"""
WITH e AS (SELECT * FROM comity.endpoint WHERE id = %(endpoint)s),
told AS (
    SELECT o.id, o.event, o.comment_id, o.seq, o.at FROM comity.outbox o, e
    WHERE o.at >= %(since)s AND o.at < %(until)s AND o.site_id = e.site_id
      AND {HEARS.format(endpoint="e", event="o.event")}
      AND (o.event = '{ERASED}'
           OR NOT EXISTS (SELECT FROM comity.comment c WHERE c.id = o.comment_id AND c.state = '{State.ERASED}'))
    ORDER BY o.at, o.id LIMIT %(most)s
), last AS (SELECT CASE WHEN count(*) = %(most)s THEN max(at) END AS at FROM told),
chosen AS (SELECT told.* FROM told, last WHERE last.at IS NULL OR told.at < last.at),
sent AS (
    INSERT INTO comity.delivery AS d (id, endpoint_id, event_id, event, comment_id, seq, scores, at)
    SELECT gen_random_uuid(), e.id, c.id, c.event, c.comment_id, c.seq, e.scores, c.at FROM chosen c, e
    ON CONFLICT (event_id, endpoint_id) DO UPDATE SET {_AFRESH}
    WHERE d.state IN ('dead', 'dropped') OR (d.state = 'delivered' AND %(delivered)s)
    RETURNING 1
)
SELECT (SELECT count(*) FROM sent) AS sent, last.at AS go_on FROM last
"""


def resend_range(
    connection: Connection, endpoint_id: UUID, since: datetime, until: datetime, delivered: bool
) -> Resent:
    """Send what happened in this time and did not arrive: given up, dropped, or never meant for the endpoint.

    delivered: what arrived too. At most about 10,000 events at once. What is pending stays as it is.
    """
    row: Any = connection.execute(
        _RANGE,
        {"endpoint": endpoint_id, "since": since, "until": until, "most": AT_ONCE, "delivered": delivered},
    ).fetchone()
    return Resent(row.sent, row.go_on)
