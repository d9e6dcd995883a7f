"""Figures about the whole service, for metrics and health."""

from dataclasses import dataclass
from typing import Any

from service.store.database import Connection


@dataclass(frozen=True, slots=True)
class Gauges:
    """pending: comments that wait for a verdict. oldest: seconds the oldest is overdue. flagged: moderation queue."""

    pending: int
    oldest: float
    flagged: int


def gauges(connection: Connection) -> Gauges:
    """The figures of this moment."""
    row: Any = connection.execute(
        "SELECT (SELECT count(*) FROM comity.comment WHERE due_at IS NOT NULL), "
        "greatest(0, extract(epoch FROM now() - "
        "(SELECT min(due_at) FROM comity.comment WHERE due_at IS NOT NULL)))::float8, "
        "(SELECT coalesce(sum(n), 0)::bigint FROM (SELECT n FROM comity.counter WHERE state = 'flagged' UNION ALL "
        "SELECT n FROM comity.counter_change WHERE state = 'flagged') AS parts)"
    ).fetchone()
    return Gauges(row[0], row[1] or 0.0, row[2])
