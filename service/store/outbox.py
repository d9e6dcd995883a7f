"""What is to be told: events, written with the decisions they tell of, and with each its deliveries."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from service.domain.ids import new_id
from service.store import failing
from service.store.arrays import array
from service.store.database import Connection

ERASED = "comment.erased"


class Event(NamedTuple):
    """One event of a decision."""

    site_id: UUID
    comment_id: UUID
    seq: int
    name: str


#: Which endpoints hear an event. An event of kind.what is heard by those that listen to it or to kind.*.
HEARS = (
    "{endpoint}.enabled AND {endpoint}.removed_at IS NULL "
    "AND {endpoint}.events && ARRAY[{event}, split_part({event}, '.', 1) || '.*']"
)
#: One statement for both: where a site has no endpoint, events cost what they did. Its endpoints are those committed
#: when the statement began; no decision waits for one that is being made or changed.
_WRITE = f"""
WITH told AS (
    INSERT INTO comity.outbox (id, site_id, comment_id, seq, event)
    SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::int[], %s::text[])
    RETURNING id, site_id, comment_id, seq, event
)
INSERT INTO comity.delivery (id, endpoint_id, event_id, event, comment_id, seq, scores)
SELECT gen_random_uuid(), e.id, told.id, told.event, told.comment_id, told.seq, e.scores
FROM told JOIN comity.endpoint e ON e.site_id = told.site_id
WHERE {HEARS.format(endpoint="e", event="told.event")}
"""


def write(connection: Connection, events: Sequence[Event]) -> None:
    """Write events, and a delivery for each endpoint that hears them. Runs inside the caller's transaction.

    What was still to be told of a comment that is erased is dropped: that it is erased is told instead.
    """
    if not events:
        return
    erased = [event.comment_id for event in events if event.name == ERASED]
    dropped = _drop(connection, erased) if erased else []
    connection.execute(
        _WRITE,
        [
            array("uuid", [new_id() for _ in events]),
            array("uuid", [event.site_id for event in events]),
            array("uuid", [event.comment_id for event in events]),
            array("int4", [event.seq for event in events]),
            array("text", [event.name for event in events]),
        ],
    )
    if dropped:
        failing.clear(connection, dropped)


def _drop(connection: Connection, comment_ids: Sequence[UUID]) -> list[UUID]:
    """Whose deliveries were dropped."""
    rows = connection.execute(
        "UPDATE comity.delivery SET state = 'dropped', done_at = now(), lease = NULL, lease_until = NULL "
        "WHERE comment_id = ANY(%s::uuid[]) AND state = 'pending' RETURNING endpoint_id",
        [array("uuid", comment_ids)],
    ).fetchall()
    return [row.endpoint_id for row in rows]
