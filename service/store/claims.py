"""Claiming comments that wait for a verdict. The row is the queue entry; a claim keeps two workers apart for a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from service.domain.facts import Ban
from service.domain.lifecycle import State
from service.store.arrays import array
from service.store.database import Connection

LEASE_SECONDS = 6
MAX_ATTEMPTS = 5
BATCH_BYTES = 400_000  # bodies of one batch together; keeps a batch under a second


@dataclass(frozen=True, slots=True)
class Claimed:
    """A comment that this process may judge until its claim ends. attempts: claims so far, this one included."""

    id: UUID
    site_id: UUID
    thread_id: UUID
    state: State
    version: int
    content_version: int
    attempts: int
    name: str
    body: str
    website: str | None
    author_verified: bool
    created_at: datetime


_COLUMNS = (
    "c.id, c.site_id, c.thread_id, c.state, c.version, c.content_version, c.attempts + 1 AS attempts, c.name, c.body, "
    "c.website, c.author_verified, c.created_at"
)
_CLAIM = f"""
SELECT {_COLUMNS} FROM comity.claim_due(%s, %s, %s, %s, {BATCH_BYTES}, make_interval(secs => {LEASE_SECONDS})) AS c
"""


def claim(connection: Connection, process: str, lease: UUID, limit: int) -> list[Claimed]:
    """Claim up to `limit` comments that nobody tried yet, oldest first. On autocommit: committed on return.

    Claims that ran out are ended before: their comments count as tried once more, and are due.
    """
    return _claim(connection, process, lease, "new", limit)


def claim_retry(connection: Connection, process: str, lease: UUID, *, backlog: bool = False) -> Claimed | None:
    """Claim one comment whose earlier claim came to nothing; alone, so that it can take no other down with it.

    backlog: many new comments are due. It is then looked for by its mark, not through all that wait before it.
    """
    return next(iter(_claim(connection, process, lease, "marked" if backlog else "tried", 1)), None)


def _claim(connection: Connection, process: str, lease: UUID, which: str, limit: int) -> list[Claimed]:
    rows = connection.execute(_CLAIM, [process, lease, which, limit], binary=True).fetchall()
    return [Claimed(row.id, row.site_id, row.thread_id, State(row.state), *row[4:]) for row in rows]


def renew(connection: Connection, lease: UUID) -> bool:
    """Lengthen a claim; False when it ended.

    One that its own decision holds right now is passed over: it is over in a moment.
    """
    renewed = connection.execute(
        f"UPDATE comity.claim SET until = clock_timestamp() + make_interval(secs => {LEASE_SECONDS}) "
        "WHERE lease = (SELECT lease FROM comity.claim WHERE lease = %s FOR UPDATE SKIP LOCKED)",
        [lease],
    )
    return renewed.rowcount == 1


def end(connection: Connection, lease: UUID) -> None:
    """End a claim whose comments were decided. Runs inside the transaction that decides them."""
    connection.execute("DELETE FROM comity.claim WHERE lease = %s", [lease])


#: Stands as the lease of a comment that was given back: it holds nothing, but the index of leases finds it.
RELEASED = UUID(int=0)


def release(connection: Connection, lease: UUID, *, blame: bool) -> None:
    """End a claim and give back those of its comments that were not decided.

    blame: the attempt itself failed, so it counts, and the next one waits longer each time, 5 s at most. Otherwise
    something around it did (a lock, the database), and they are due again at once.
    """
    connection.execute(
        "WITH gone AS (DELETE FROM comity.claim WHERE lease = %s RETURNING comments), undecided AS MATERIALIZED ("
        "SELECT c.id FROM comity.comment c WHERE c.id = ANY(ARRAY(SELECT unnest(comments) FROM gone)) "
        "AND c.due_at IS NOT NULL ORDER BY c.id FOR NO KEY UPDATE) "
        "UPDATE comity.comment c SET lease = %s, attempts = c.attempts + %s, due_at = now() + make_interval(secs => "
        "CASE WHEN %s THEN least(5.0, 0.1 * power(2, c.attempts + 1)) ELSE 0.05 END) "
        "FROM undecided u WHERE c.id = u.id",
        [lease, RELEASED, 1 if blame else 0, blame],
    )


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a verdict needs beyond the comment itself. domain_class: None where no contact is kept any more."""

    thread_closed: bool
    repeats: int
    domain_class: str | None
    first: bool
    ban: Ban | None


_GATHER = """
SELECT c.id, t.closed_at IS NOT NULL AS closed, (
    SELECT count(*) FROM (
        SELECT FROM comity.comment o
        WHERE o.site_id = c.site_id AND o.digest = c.digest AND o.id <> c.id
          AND o.created_at >= c.created_at - make_interval(hours => w.hours)
          AND (o.created_at, o.id) < (c.created_at, c.id) AND o.state NOT IN ('withdrawn', 'erased')
        LIMIT 100
    ) AS earlier
) AS repeats, f.domain_class, coalesce(f.first, true) AS first, f.ban_id, f.ban_what, f.ban_reason
FROM unnest(%(ids)s::uuid[], %(hours)s::int[]) AS w (id, hours)
JOIN comity.comment c ON c.id = w.id
JOIN comity.thread t ON t.id = c.thread_id
LEFT JOIN contacts.facts(%(ids)s::uuid[], %(first)s) f ON f.comment_id = c.id
"""


def gather(connection: Connection, hours: Mapping[UUID, int], *, first: bool = False) -> dict[UUID, Surroundings]:
    """The surroundings of comments, in one query.

    hours: how far back each one's repeats count. first: whether anybody wants to know who comments for the first time.
    """
    asked = {"ids": array("uuid", hours), "hours": array("int4", hours.values()), "first": first}
    rows = connection.execute(_GATHER, asked, binary=True).fetchall()
    return {
        row.id: Surroundings(
            row.closed, row.repeats, row.domain_class, row.first,
            None if row.ban_id is None else Ban(str(row.ban_id), row.ban_what, row.ban_reason),
        )
        for row in rows
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Backlog:
    """The queue at a glance, in seconds.

    due: something is due now that nobody holds. delay: how long the oldest of that has been due. worker, relay: since
    a process of that kind last claimed something; infinite when none ever did.
    """

    due: bool
    delay: float
    worker: float
    relay: float


def backlog(connection: Connection) -> Backlog:
    """How the queue stands."""
    row: Any = connection.execute(
        """
        SELECT extract(epoch FROM now() - (
                   SELECT c.due_at FROM comity.comment c
                   WHERE c.due_at IS NOT NULL
                     AND c.id NOT IN (SELECT unnest(h.comments) FROM comity.claim h WHERE h.until >= now())
                   ORDER BY c.due_at LIMIT 1
               ))::float8 AS delay,
               extract(epoch FROM now() - max(claimed_at) FILTER (WHERE process LIKE 'worker:%'))::float8 AS worker,
               extract(epoch FROM now() - max(claimed_at) FILTER (WHERE process LIKE 'relay:%'))::float8 AS relay
        FROM comity.pulse
        """
    ).fetchone()
    delay, worker, relay = (float("inf") if age is None else age for age in row)
    if row[0] is None or delay < 0:
        return Backlog(False, 0.0, worker, relay)
    return Backlog(True, delay, worker, relay)
