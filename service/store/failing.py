"""Whether an endpoint counts as failing: since when nothing but failures came of what it was to be told."""

from collections.abc import Sequence
from uuid import UUID

from service.store.arrays import array
from service.store.database import Connection

#: In order: whoever clears several waits for nobody who waits for it.
_CLEAR = """
UPDATE comity.endpoint SET failing_since = NULL WHERE id IN (
    SELECT e.id FROM comity.endpoint e
    WHERE e.id = ANY(%s::uuid[]) AND e.enabled AND e.failing_since IS NOT NULL
      AND NOT EXISTS (SELECT FROM comity.delivery d WHERE d.endpoint_id = e.id AND d.state = 'pending')
    ORDER BY e.id FOR NO KEY UPDATE
)
"""


def clear(connection: Connection, endpoint_ids: Sequence[UUID]) -> None:
    """Those of these endpoints that nothing waits for fail no more: the next failure is a first one.

    One that is disabled keeps the time, until it is enabled. Runs inside the caller's transaction, after its changes of
    deliveries: the order of locks.
    """
    connection.execute(_CLEAR, [array("uuid", endpoint_ids)])
