"""Claiming comments that wait for a verdict. The row is the queue entry; a lease keeps two workers apart."""

from collections.abc import Mapping, Sequence
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
    """A comment that this process may judge until its lease ends. attempts: claims so far, this one included."""

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
    "c.id, c.site_id, c.thread_id, c.state, c.version, c.content_version, c.attempts, c.name, c.body, c.website, "
    "c.author_verified, c.created_at"
)

#: A claim is committed without waiting for the disk: one that a crash of the database undoes was only a claim.
_CLAIM = f"""
WITH calm AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
), picked AS MATERIALIZED (
    SELECT id, octet_length(body) AS size, due_at FROM comity.comment
    WHERE due_at <= now() AND {{which}} AND EXISTS (SELECT FROM calm)
    ORDER BY due_at LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
), fitting AS (
    SELECT id, sum(size) OVER (ORDER BY due_at, id) - size AS before FROM picked
), beat AS (
    INSERT INTO comity.pulse AS p (process, claimed_at) SELECT %(process)s, now() WHERE EXISTS (SELECT FROM picked)
    ON CONFLICT (process) DO UPDATE SET claimed_at = now()
)
UPDATE comity.comment c
SET attempts = c.attempts + 1, lease = %(lease)s, due_at = now() + make_interval(secs => {LEASE_SECONDS})
FROM fitting WHERE c.id = fitting.id AND fitting.before < {BATCH_BYTES}
RETURNING {_COLUMNS}
"""


def claim(connection: Connection, process: str, lease: UUID, limit: int) -> list[Claimed]:
    """Claim up to `limit` comments that nobody tried yet, oldest first. On autocommit: committed on return."""
    return _claim(connection, "attempts = 0", process, lease, limit)


#: Stands as the lease of a comment that was given back: it holds nothing, but the index of leases finds it.
RELEASED = UUID(int=0)
_TRIED = "attempts > 0"
_TRIED_AND_LEASED = f"{_TRIED} AND id = ANY(ARRAY(SELECT id FROM comity.comment WHERE lease IS NOT NULL))"


def claim_retry(connection: Connection, process: str, lease: UUID, *, backlog: bool = False) -> Claimed | None:
    """Claim one comment whose earlier claim came to nothing; alone, so that it can take no other down with it.

    backlog: many new comments are due. It is then looked for by its lease, not through all that wait before it.
    """
    which = _TRIED_AND_LEASED if backlog else _TRIED
    return next(iter(_claim(connection, which, process, lease, 1)), None)


def _claim(connection: Connection, which: str, process: str, lease: UUID, limit: int) -> list[Claimed]:
    rows = connection.execute(
        _CLAIM.format(which=which), {"limit": limit, "process": process, "lease": lease}
    ).fetchall()
    return [Claimed(row.id, row.site_id, row.thread_id, State(row.state), *row[4:]) for row in rows]


def renew(connection: Connection, lease: UUID) -> int:
    """Lengthen a lease; returns how many comments it still holds.

    Rows that the batch's own decision holds right now are passed over: waiting for them could end in a deadlock.
    """
    return connection.execute(
        f"UPDATE comity.comment SET due_at = now() + make_interval(secs => {LEASE_SECONDS}) WHERE id IN ("
        "SELECT id FROM comity.comment WHERE lease = %s AND due_at IS NOT NULL FOR NO KEY UPDATE SKIP LOCKED)",
        [lease],
    ).rowcount


def release(connection: Connection, claimed: Sequence[Claimed], lease: UUID, *, blame: bool) -> None:
    """Give back comments that were not decided.

    blame: the attempt itself failed, so it counts, and the next one waits longer each time, 5 s at most. Otherwise
    something around it did (a lock, the database), and they are due again at once.
    """
    connection.execute(
        "UPDATE comity.comment SET lease = %s, attempts = attempts - %s, "
        "due_at = now() + make_interval(secs => CASE WHEN %s THEN least(5.0, 0.1 * power(2, attempts)) ELSE 0.05 END) "
        "WHERE id IN (SELECT id FROM comity.comment WHERE id = ANY(%s) AND lease = %s AND due_at IS NOT NULL "
        "ORDER BY id FOR NO KEY UPDATE)",
        [RELEASED, 0 if blame else 1, blame, [comment.id for comment in claimed], lease],
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
FROM unnest(%s::uuid[], %s::int[]) AS w (id, hours)
JOIN comity.comment c ON c.id = w.id
JOIN comity.thread t ON t.id = c.thread_id
LEFT JOIN contacts.facts(%s::uuid[], %s) f ON f.comment_id = c.id
"""


def gather(connection: Connection, hours: Mapping[UUID, int], *, first: bool = False) -> dict[UUID, Surroundings]:
    """The surroundings of comments, in one query.

    hours: how far back each one's repeats count. first: whether anybody wants to know who comments for the first time.
    """
    ids = array(hours)
    rows = connection.execute(_GATHER, [ids, array(hours.values()), ids, first]).fetchall()
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

    due: something is due now. delay: how long the oldest has been due. worker, relay: since a process of that kind
    last claimed something; infinite when none ever did.
    """

    due: bool
    delay: float
    worker: float
    relay: float


def backlog(connection: Connection) -> Backlog:
    """How the queue stands."""
    row: Any = connection.execute(
        """
        SELECT extract(epoch FROM now() - (SELECT min(due_at) FROM comity.comment WHERE due_at IS NOT NULL))::float8
                   AS delay,
               extract(epoch FROM now() - max(claimed_at) FILTER (WHERE process LIKE 'worker:%'))::float8 AS worker,
               extract(epoch FROM now() - max(claimed_at) FILTER (WHERE process LIKE 'relay:%'))::float8 AS relay
        FROM comity.pulse
        """
    ).fetchone()
    delay, worker, relay = (float("inf") if age is None else age for age in row)
    if row[0] is None or delay < 0:
        return Backlog(False, 0.0, worker, relay)
    return Backlog(True, delay, worker, relay)
