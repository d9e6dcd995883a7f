"""Windows of rate limits, shared by all web processes."""

from collections.abc import Sequence
from datetime import datetime

from psycopg.rows import tuple_row

from service.store.arrays import array
from service.store.database import Connection


def add(connection: Connection, hits: Sequence[tuple[bytes, datetime, int]]) -> dict[tuple[bytes, datetime], int]:
    """Add hits to windows (key, start, how many); the sums after that. No fsync: a crash may forget hits."""
    with connection.transaction(), connection.cursor(binary=True, row_factory=tuple_row) as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
        rows = cursor.execute(
            "SELECT key, window_start, n FROM contacts.add_hits(%s, ("
            "    SELECT array_agg(to_timestamp(u.start) ORDER BY u.n) FROM unnest(%s) WITH ORDINALITY AS u (start, n)"
            "), %s)",
            [
                array("bytea", [key for key, _, _ in hits]),
                array("int8", [int(start.timestamp()) for _, start, _ in hits]),
                array("int4", [n for _, _, n in hits]),
            ],
        ).fetchall()
    return {(key, start): n for key, start, n in rows}
