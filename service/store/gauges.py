"""Figures about the whole service, for metrics and health."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.store import presence
from service.store.database import Connection


@dataclass(frozen=True, slots=True)
class Gauges:
    """The service at a glance; times in seconds, 0 where nothing waits.

    pending: comments that wait for a verdict. oldest: how long the oldest is overdue. flagged: moderation queue.
    flagged_oldest: since the oldest of them came in. unscored: those of the last ten minutes that nothing scored, 1,000
    of a site at most. worker, relay: since one of that kind last claimed something; infinite when none did for a day.
    relays: how many come round. jobs: how late each one is, by name. size: bytes of the database.

    deliveries, deliveries_late: those that endpoints wait for, and how long the oldest that could be sent is overdue.
    deliveries_dead: those that were given up. endpoints_failing: endpoints that only failed for an hour or longer.
    endpoints_disabled: those that were disabled for it, or because they said that they are gone.
    """

    pending: int
    oldest: float
    flagged: int
    flagged_oldest: float
    unscored: int
    worker: float
    relay: float
    relays: int
    jobs: Mapping[str, float]
    size: int
    deliveries: int
    deliveries_late: float
    deliveries_dead: int
    endpoints_failing: int
    endpoints_disabled: int


_PULSE = (
    "(SELECT coalesce(extract(epoch FROM now() - max(claimed_at)), 'Infinity')::float8 FROM comity.pulse "
    "WHERE process LIKE '{kind}:%')"
)
#: Each part reads an index or a table of a few rows, whatever the number of comments.
_GAUGES = f"""
SELECT (SELECT count(*) FROM comity.comment WHERE due_at IS NOT NULL) AS pending,
       greatest(0, extract(epoch FROM now() - (
           SELECT min(due_at) FROM comity.comment WHERE due_at IS NOT NULL
       )))::float8 AS oldest,
       (SELECT coalesce(sum(n), 0)::bigint FROM (
           SELECT n FROM comity.counter WHERE state = 'flagged'
           UNION ALL SELECT n FROM comity.counter_change WHERE state = 'flagged'
       ) AS parts) AS flagged,
       (SELECT greatest(0, extract(epoch FROM now() - min(first.created_at)))::float8
        FROM comity.site s CROSS JOIN LATERAL (
           SELECT c.created_at FROM comity.comment c WHERE c.site_id = s.id AND c.state = 'flagged'
           ORDER BY c.created_at, c.id LIMIT 1
       ) AS first) AS flagged_oldest,
       (SELECT count(*) FROM comity.site s CROSS JOIN LATERAL (
           SELECT FROM comity.comment c WHERE c.site_id = s.id AND c.state = 'flagged' AND c.reason = 'no_score'
             AND c.created_at > now() - interval '10 minutes' LIMIT 1000
       ) AS recent) AS unscored,
       {_PULSE.format(kind="worker")} AS worker,
       {_PULSE.format(kind="relay")} AS relay,
       (SELECT count(*) FROM comity.presence
        WHERE seen_at > now() - interval '{presence.SILENCE} seconds') AS relays,
       (SELECT coalesce(jsonb_object_agg(name, greatest(0, extract(epoch FROM now() - next_at))), '{{}}')
        FROM comity.job) AS jobs,
       pg_database_size(current_database()) AS size,
       told.*
FROM (
    SELECT coalesce(sum(waiting.n) FILTER (WHERE e.enabled), 0)::bigint AS deliveries,
           coalesce(max(extract(epoch FROM now() - due.at))
                    FILTER (WHERE e.enabled AND e.paused_until <= now()), 0)::float8 AS deliveries_late,
           coalesce(sum(dead.n), 0)::bigint AS deliveries_dead,
           count(*) FILTER (WHERE e.enabled AND e.failing_since < now() - interval '1 hour') AS endpoints_failing,
           count(*) FILTER (WHERE e.disabled_reason IN ('gone', 'failing')) AS endpoints_disabled
    FROM comity.endpoint e
    CROSS JOIN LATERAL (
        SELECT count(*) AS n FROM comity.delivery d WHERE d.endpoint_id = e.id AND d.state = 'pending'
    ) AS waiting
    CROSS JOIN LATERAL (
        SELECT min(d.due_at) AS at FROM comity.delivery d
        WHERE d.endpoint_id = e.id AND d.state = 'pending' AND d.due_at <= now()
    ) AS due
    CROSS JOIN LATERAL (
        SELECT count(*) AS n FROM comity.delivery d WHERE d.endpoint_id = e.id AND d.state = 'dead'
    ) AS dead
    WHERE e.removed_at IS NULL
) AS told
"""


def gauges(connection: Connection) -> Gauges:
    """The figures of this moment."""
    row: Any = connection.execute(_GAUGES).fetchone()
    jobs = {name: float(late) for name, late in row.jobs.items()}
    return Gauges(
        row.pending, row.oldest or 0.0, row.flagged, row.flagged_oldest or 0.0, row.unscored,
        row.worker, row.relay, row.relays, jobs, row.size, row.deliveries, row.deliveries_late, row.deliveries_dead,
        row.endpoints_failing, row.endpoints_disabled,
    )  # fmt: skip
