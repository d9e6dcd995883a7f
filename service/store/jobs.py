"""Work that needs a clock: due rows of the job table, taken by whoever comes first."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from service.store.database import Busy, Connection, Database

LEASE = timedelta(seconds=60)
EVENTS_KEPT = timedelta(days=30)
KEYS_KEPT = timedelta(hours=24)
HITS_KEPT = timedelta(days=1)
DELIVERIES_KEPT = timedelta(days=30)  # after they ended
TURN = 1.0  # seconds for which a relay goes on with one job: it rings for nobody meanwhile
AT_ONCE = 20_000  # rows of one transaction at most
WITH_ATTEMPTS = 2_000  # deliveries of one: each has its attempts with it
FIRST, LEAST = 2_000, 20  # rows of the first transaction of a turn, and of one that could not be smaller
SKETCHES_KEPT = timedelta(days=31)  # the longest window in which a policy looks for repeats is 30 days


class Failed(Exception):
    """Raised when a job came to nothing; its argument is the job's name."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn of a job did: rows that it dealt with, and whether nothing was left."""

    rows: int
    done: bool


def take(connection: Connection) -> str | None:
    """The name of a due job, leased to the caller for a minute; None when nothing is due."""
    row = connection.execute(
        "UPDATE comity.job SET lease_until = now() + %s WHERE name = ("
        "SELECT name FROM comity.job WHERE next_at <= now() AND (lease_until IS NULL OR lease_until < now()) "
        "ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING name",
        [LEASE],
    ).fetchone()
    return None if row is None else row.name


def keep(connection: Connection, name: str) -> None:
    """Lease a job for another minute to the caller, who holds it."""
    connection.execute("UPDATE comity.job SET lease_until = now() + %s WHERE name = %s", [LEASE, name])


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


def put_off(connection: Connection, name: str) -> None:
    """Give a job back that is not done: it goes on in a second, so that whoever had it comes round in between."""
    connection.execute(
        "UPDATE comity.job SET next_at = now() + interval '1 second', lease_until = NULL WHERE name = %s", [name]
    )


def sum_counters(connection: Connection) -> Turn:
    """Fold the changes of the counters into the counters, in one statement: readers see the same sum all the time."""
    summed = connection.execute(
        """
        WITH gone AS (DELETE FROM comity.counter_change RETURNING site_id, state, reason, n),
        summed AS (SELECT site_id, state, reason, sum(n) AS n FROM gone GROUP BY site_id, state, reason)
        INSERT INTO comity.counter AS c (site_id, state, reason, n)
        SELECT * FROM summed ORDER BY site_id, state, reason
        ON CONFLICT (site_id, state, reason) DO UPDATE SET n = c.n + excluded.n
        """
    )
    return Turn(summed.rowcount, True)


@dataclass(slots=True)
class _Sweep:
    """Rows of one table that are past their time, a portion at a time. most: rows of the largest portion."""

    table: str
    past: str
    kept: timedelta = timedelta(0)
    which: str = "SELECT {key} FROM comity.{table} WHERE {past} LIMIT %(portion)s"
    key: str = "ctid"
    most: int = AT_ONCE
    portion: int = FIRST

    def step(self, connection: Connection) -> tuple[int, bool]:
        """Delete a portion, in a transaction of its own; how many rows went, and whether more may be there.

        One that took too long is undone, and the next one smaller. Raises the driver's QueryCanceled when even few rows
        take too long.
        """
        portion, begun = min(self.portion, self.most), time.monotonic()
        try:
            gone = self._delete(connection, portion)
        except psycopg.errors.QueryCanceled:
            if portion <= LEAST:
                raise
            self.portion = max(portion // 4, LEAST)
            return 0, True
        took = time.monotonic() - begun
        self.portion = portion * 2 if took < TURN / 4 else max(portion // 2, LEAST) if took > TURN else portion
        return gone, gone >= portion

    def _delete(self, connection: Connection, portion: int) -> int:
        """`past` stands in both: a row that somebody renews meanwhile stays, whatever its ctid."""
        which = self.which.format(key=self.key, table=self.table, past=self.past)
        with connection.transaction():
            connection.execute(_LIMITS)
            return connection.execute(
                f"DELETE FROM comity.{self.table} WHERE {self.key} = ANY(ARRAY({which})) AND {self.past}",
                {"kept": self.kept, "portion": portion},
            ).rowcount


#: A portion ends after five seconds, or sooner where the connection says so. The indexes on times are to be used even
#: where the planner thinks that a row past its time is found at once: the last portion finds none.
_LIMITS = """
SELECT set_config('enable_seqscan', 'off', true) AS scans, set_config('statement_timeout', (1000 * least(
    nullif(extract(epoch FROM current_setting('statement_timeout')::interval), 0), 5))::int::text, true) AS time_limit
"""

#: Deliveries of endpoints that were removed, and what waits for one that nobody enabled for a month. What is pending
#: stays else, however old.
_ORPHANS = """
SELECT d.id FROM comity.endpoint e CROSS JOIN LATERAL (
    SELECT id FROM comity.delivery d WHERE d.endpoint_id = e.id
    AND (e.removed_at IS NOT NULL OR (d.state = 'pending' AND d.at < now() - %(kept)s)) LIMIT %(portion)s) AS d
WHERE e.removed_at IS NOT NULL OR e.disabled_at < now() - %(kept)s LIMIT %(portion)s
"""


def _sweeps() -> list[_Sweep]:
    """Keys and who was here go after a day, the rest after a month; an endpoint once its deliveries are gone."""
    day = timedelta(days=1)
    return [
        # By their times, which is all that relays may see of keys and of sessions.
        _Sweep("idempotency", "created_at < now() - %(kept)s", KEYS_KEPT, key="created_at"),
        _Sweep("ended_session", "until < now()", key="until"),
        _Sweep("outbox", "at < now() - %(kept)s", EVENTS_KEPT),
        _Sweep("pulse", "claimed_at < now() - %(kept)s", day),
        _Sweep("presence", "seen_at < now() - %(kept)s", day),
        _Sweep("sketch", "created_at < now() - %(kept)s", SKETCHES_KEPT),
        _Sweep("band", "created_at < now() - %(kept)s", SKETCHES_KEPT),
        _Sweep("endpoint_secret", "ends_at < now()"),
        _Sweep("delivery", "done_at < now() - %(kept)s", DELIVERIES_KEPT, most=WITH_ATTEMPTS),
        _Sweep("delivery", "true", DELIVERIES_KEPT, _ORPHANS, "id", WITH_ATTEMPTS),
        _Sweep(
            "endpoint",
            "removed_at < now() - interval '1 hour' "
            "AND NOT EXISTS (SELECT FROM comity.delivery d WHERE d.endpoint_id = endpoint.id)",
        ),
    ]


def retention(connection: Connection) -> Turn:
    """Drop what is past its time for about a second, each table in its turn. On autocommit: what went is gone.

    Raises the driver's error of a table where nothing can be dropped, once the others had their turn.
    """
    until, left, gone = time.monotonic() + TURN, _sweeps(), 0
    failed: psycopg.Error | None = None
    while left and time.monotonic() < until:
        more = []
        for sweep in left:
            try:
                went, again = sweep.step(connection)
            except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable) as error:
                failed = error
                continue
            gone += went
            if again:
                more.append(sweep)
        left = more
    if not left:
        connection.execute("SELECT contacts.forget_hits(now() - %s)", [HITS_KEPT])
    if failed is not None and not left:
        raise failed
    return Turn(gone, not left and failed is None)


JOBS: Mapping[str, Callable[[Connection], Turn]] = {"sum_counters": sum_counters, "retention": retention}


def run_due(database: Database) -> str | None:
    """Take one due job and do it, or a turn of it; its name, or None when nothing was due.

    Raises Failed when it came to nothing: it is due again when its lease ended. Raises Unavailable.
    """
    with database.connection() as connection:
        name = take(connection)
    if name is None:
        return None
    try:
        with database.connection() as connection:
            turn = JOBS[name](connection)
            (finish if turn.done else put_off)(connection, name)
    except Busy as error:
        raise Failed(name) from error
    return name
