"""Windows of rate limits, shared by all web processes."""

from collections.abc import Sequence
from datetime import datetime

from service.store.arrays import array
from service.store.database import Connection


def add(connection: Connection, hits: Sequence[tuple[bytes, datetime, int]]) -> dict[tuple[bytes, datetime], int]:
    """Add hits to windows (key, start, how many); the sums after that. No fsync: a crash may forget hits."""
    with connection.transaction():
        connection.execute("SET LOCAL synchronous_commit = off")
        rows = connection.execute(
            "SELECT key, window_start, n FROM contacts.add_hits(%s::bytea[], %s::timestamptz[], %s::integer[])",
            [array(hit[0] for hit in hits), array(hit[1].isoformat() for hit in hits), array(hit[2] for hit in hits)],
        ).fetchall()
    return {(bytes(row.key), row.window_start): row.n for row in rows}
