"""How many comments wait for a verdict, and how fast they get one: what accepting looks at before it takes more."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from service.store.database import Connection

RATE_SECONDS = 10  # over which verdicts are counted
_MOST_VERDICTS = 100_000


def counts(connection: Connection, most: int) -> Mapping[UUID, int]:
    """Comments that wait for a verdict, edited ones included, by site. Of the oldest `most` of them: beyond it, nobody
    counts."""
    rows: Any = connection.execute(
        "SELECT site_id, count(*) AS n FROM (SELECT site_id FROM comity.comment WHERE due_at IS NOT NULL "
        "ORDER BY due_at LIMIT %s) AS waiting GROUP BY site_id",  # ordered: so that it reads the index of the queue
        [most],
    ).fetchall()
    return {row.site_id: row.n for row in rows}


def rate(connection: Connection) -> float:
    """Verdicts a second, of all sites, lately. Each leaves an event; those of moderators are few beside them."""
    row: Any = connection.execute(
        "SELECT count(*) AS n FROM (SELECT FROM comity.outbox WHERE at > now() - make_interval(secs => %s) "
        "LIMIT %s) AS lately",
        [RATE_SECONDS, _MOST_VERDICTS],
    ).fetchone()
    return float(row.n) / RATE_SECONDS
