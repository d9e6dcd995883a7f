"""Work that needs a clock: due rows of the job table, taken by whoever comes first."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.store.database import Connection, Database

LEASE = timedelta(seconds=60)
EVENTS_KEPT = timedelta(days=30)
KEYS_KEPT = timedelta(hours=24)
HITS_KEPT = timedelta(days=1)
DELIVERIES_KEPT = timedelta(days=30)  # after they ended
AT_ONCE = 20_000  # deliveries of endpoints that are gone
SKETCHES_KEPT = timedelta(days=31)  # the longest window in which a policy looks for repeats is 30 days


def take(connection: Connection) -> str | None:
    """The name of a due job, leased to the caller for a minute; None when nothing is due."""
    row = connection.execute(
        "UPDATE comity.job SET lease_until = now() + %s WHERE name = ("
        "SELECT name FROM comity.job WHERE next_at <= now() AND (lease_until IS NULL OR lease_until < now()) "
        "ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING name",
        [LEASE],
    ).fetchone()
    return None if row is None else row.name


def take_named(connection: Connection, name: str) -> bool:
    """Lease this job to the caller, due or not; False while somebody else holds it."""
    taken = connection.execute(
        "UPDATE comity.job SET lease_until = now() + %s "
        "WHERE name = %s AND (lease_until IS NULL OR lease_until < now())",
        [LEASE, name],
    )
    return taken.rowcount == 1


@dataclass(frozen=True, slots=True)
class Job:
    """A row of the table: how often the work is due, when it was done and will be, and until when somebody has it."""

    name: str
    every: timedelta
    next_at: datetime
    lease_until: datetime | None
    done_at: datetime | None


def listed(connection: Connection) -> list[Job]:
    """All jobs by name; a lease that ran out is none."""
    rows = connection.execute(
        "SELECT name, every, next_at, CASE WHEN lease_until > now() THEN lease_until END, done_at "
        "FROM comity.job ORDER BY name"
    ).fetchall()
    return [Job(*row) for row in rows]


def finish(connection: Connection, name: str) -> None:
    """Note that a job was done; it is due again after its interval."""
    connection.execute(
        "UPDATE comity.job SET next_at = now() + every, lease_until = NULL, done_at = now() WHERE name = %s", [name]
    )


def sum_counters(connection: Connection) -> None:
    """Fold the changes of the counters into the counters, in one statement: readers see the same sum all the time."""
    connection.execute(
        """
        WITH gone AS (DELETE FROM comity.counter_change RETURNING site_id, state, reason, n),
        summed AS (SELECT site_id, state, reason, sum(n) AS n FROM gone GROUP BY site_id, state, reason)
        INSERT INTO comity.counter AS c (site_id, state, reason, n)
        SELECT * FROM summed ORDER BY site_id, state, reason
        ON CONFLICT (site_id, state, reason) DO UPDATE SET n = c.n + excluded.n
        """
    )


def retention(connection: Connection) -> None:
    """Drop what is past its time: keys, hits and who was here after a day, the rest after a month."""
    connection.execute("DELETE FROM comity.idempotency WHERE created_at < now() - %s", [KEYS_KEPT])
    connection.execute("DELETE FROM comity.outbox WHERE at < now() - %s", [EVENTS_KEPT])
    connection.execute("DELETE FROM comity.pulse WHERE claimed_at < now() - interval '1 day'")
    connection.execute("DELETE FROM comity.presence WHERE seen_at < now() - interval '1 day'")
    connection.execute("DELETE FROM comity.ended_session WHERE until < now()")
    connection.execute("DELETE FROM comity.sketch WHERE created_at < now() - %s", [SKETCHES_KEPT])
    connection.execute("DELETE FROM comity.band WHERE created_at < now() - %s", [SKETCHES_KEPT])
    connection.execute("SELECT contacts.forget_hits(now() - %s)", [HITS_KEPT])
    _forget_deliveries(connection)


def _forget_deliveries(connection: Connection) -> None:
    """Those that ended go after a month, and what waits for an endpoint that nobody enabled for a month.

    What is pending stays else, however old. An endpoint that was removed goes once its deliveries are gone.
    """
    connection.execute("DELETE FROM comity.endpoint_secret WHERE ends_at < now()")
    connection.execute("DELETE FROM comity.delivery WHERE done_at < now() - %s", [DELIVERIES_KEPT])
    connection.execute(
        "DELETE FROM comity.delivery WHERE id = ANY(ARRAY("
        "SELECT d.id FROM comity.endpoint e CROSS JOIN LATERAL ("
        "SELECT id FROM comity.delivery d WHERE d.endpoint_id = e.id "
        "AND (e.removed_at IS NOT NULL OR (d.state = 'pending' AND d.at < now() - %(kept)s)) LIMIT %(most)s) AS d "
        "WHERE e.removed_at IS NOT NULL OR e.disabled_at < now() - %(kept)s LIMIT %(most)s))",
        {"kept": DELIVERIES_KEPT, "most": AT_ONCE},
    )
    connection.execute(
        "DELETE FROM comity.endpoint e WHERE removed_at < now() - interval '1 hour' "
        "AND NOT EXISTS (SELECT FROM comity.delivery d WHERE d.endpoint_id = e.id)"
    )


JOBS: Mapping[str, Callable[[Connection], None]] = {"sum_counters": sum_counters, "retention": retention}


def run_due(database: Database) -> str | None:
    """Take one due job and do it; its name, or None when nothing was due."""
    with database.connection() as connection:
        name = take(connection)
    if name is None:
        return None
    with database.transaction() as connection:
        JOBS[name](connection)
        finish(connection, name)
    return name
