"""Windows of rate limits, shared by all web processes."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from psycopg.rows import tuple_row

from service.store.arrays import array
from service.store.database import Connection

#: A window's key and start, and how many to add.
Hits = tuple[bytes, datetime, int]


def add(connection: Connection, hits: Sequence[Hits]) -> dict[tuple[bytes, datetime], int]:
    """Add hits to windows; the sums after that. No fsync: a crash may forget hits.

    Several of one window are added up first: one statement may change a row once.
    """
    added: Counter[tuple[bytes, datetime]] = Counter()
    for key, start, n in hits:
        added[key, start] += n
    windows = sorted(added)
    with connection.transaction(), connection.cursor(binary=True, row_factory=tuple_row) as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
        rows = cursor.execute(
            "SELECT key, window_start, n FROM contacts.add_hits(%s, ("
            "    SELECT array_agg(to_timestamp(u.start) ORDER BY u.n) FROM unnest(%s) WITH ORDINALITY AS u (start, n)"
            "), %s)",
            [
                array("bytea", [key for key, _ in windows]),
                array("int8", [int(start.timestamp()) for _, start in windows]),
                array("int4", [added[window] for window in windows]),
            ],
        ).fetchall()
    return {(key, start): n for key, start, n in rows}
