"""Sending deliveries: who has claimed which, and how every attempt went.

Rows are the truth, as with comments: a claim is committed before anything is sent, and an attempt counts only for
whoever still holds the claim. Order of locks: deliveries, then endpoints.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from service.domain import retries
from service.domain.events import Told
from service.domain.ids import new_id
from service.domain.retries import Outcome, Verdict
from service.store import failing
from service.store.database import Connection

LEASE = timedelta(seconds=40)  # longer than a message may take; whoever holds it so long is dead or frozen
ANSWER_BYTES = 1024  # kept of an answer


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery to be sent now: where to, what it tells, and what signs it. number: of this attempt, from 1.

    read_at: what the database's clock said when this was read, in seconds since the epoch.
    secrets: id and sealed secret, newest first. told: None for a test, and where the decision is not there.
    """

    id: UUID
    endpoint_id: UUID
    url: str
    number: int
    event_id: UUID
    event: str
    at: datetime
    site: str
    told: Told | None
    read_at: float
    secrets: Sequence[tuple[UUID, bytes]]


#: Endpoints with fewest messages on their way come first, else by chance; of each its deliveries that are due longest.
_CLAIM = """
WITH open AS MATERIALIZED (
    SELECT e.id, flying.n AS flying, CASE WHEN e.failures >= %(shaky)s THEN 1 ELSE %(in_flight)s END - flying.n AS room
    FROM comity.endpoint e CROSS JOIN LATERAL (
        SELECT count(*) AS n FROM comity.delivery d
        WHERE d.endpoint_id = e.id AND d.lease IS NOT NULL AND d.lease_until > clock_timestamp()
    ) AS flying
    WHERE e.enabled AND e.removed_at IS NULL AND e.paused_until <= clock_timestamp()
), picked AS MATERIALIZED (
    SELECT due.id FROM open CROSS JOIN LATERAL (
        SELECT d.id FROM comity.delivery d
        WHERE d.endpoint_id = open.id AND d.state = 'pending' AND d.due_at <= clock_timestamp()
          AND (d.lease IS NULL OR d.lease_until <= clock_timestamp())
        ORDER BY d.due_at, d.id LIMIT greatest(open.room, 0) FOR NO KEY UPDATE SKIP LOCKED
    ) AS due
    ORDER BY open.flying, random() LIMIT %(most)s
)
UPDATE comity.delivery d SET lease = %(lease)s, lease_until = clock_timestamp() + %(lasts)s, attempts = d.attempts + 1
FROM picked WHERE d.id = picked.id RETURNING d.id
"""
_READ = """
SELECT d.id, d.endpoint_id, e.url, d.attempts, d.event_id, d.event, d.at, s.name AS site, d.comment_id, c.thread_id,
       d.seq, v.from_state, v.to_state, v.action, v.actor, v.reason, v.rule, v.version, v.content_version,
       v.policy_version, extract(epoch FROM clock_timestamp())::float8 AS read_at,
       CASE WHEN d.scores THEN v.scores END AS scores,
       (SELECT coalesce(array_agg(k.id ORDER BY k.created_at DESC, k.id DESC), '{}') FROM comity.endpoint_secret k
        WHERE k.endpoint_id = e.id AND (k.ends_at IS NULL OR k.ends_at > now())) AS secret_ids,
       (SELECT coalesce(array_agg(k.sealed ORDER BY k.created_at DESC, k.id DESC), '{}') FROM comity.endpoint_secret k
        WHERE k.endpoint_id = e.id AND (k.ends_at IS NULL OR k.ends_at > now())) AS secrets
FROM comity.delivery d
JOIN comity.endpoint e ON e.id = d.endpoint_id
JOIN comity.site s ON s.id = e.site_id
LEFT JOIN comity.decision v ON v.comment_id = d.comment_id AND v.seq = d.seq
LEFT JOIN comity.comment c ON c.id = d.comment_id
WHERE d.id = ANY(%s::uuid[])
"""


def claim(connection: Connection, lease: UUID, most: int) -> list[Claimed]:
    """Lease up to `most` due deliveries, committed when this returns; no endpoint gets more at once than it may.

    The connection is in autocommit. One claims at a time, so that what another one has sent for is counted.
    """
    with connection.transaction():
        connection.execute("SELECT set_config('synchronous_commit', 'off', true), pg_advisory_xact_lock(6, 1)")
        found = connection.execute(
            _CLAIM,
            {
                "shaky": retries.SHAKY, "in_flight": retries.IN_FLIGHT, "most": most, "lease": lease, "lasts": LEASE,
            },
        ).fetchall()  # fmt: skip
    if not found:
        return []
    return [_claimed(row) for row in connection.execute(_READ, [[row.id for row in found]]).fetchall()]


def _claimed(row: Any) -> Claimed:
    told = None
    if row.to_state is not None:
        told = Told(
            row.comment_id, row.thread_id, row.seq, row.from_state, row.to_state, row.action, row.actor, row.reason,
            row.rule, row.version, row.content_version, row.policy_version, row.scores,
        )  # fmt: skip
    sealed = [(secret_id, bytes(secret)) for secret_id, secret in zip(row.secret_ids, row.secrets, strict=True)]
    return Claimed(
        row.id,
        row.endpoint_id,
        row.url,
        row.attempts,
        row.event_id,
        row.event,
        row.at,
        row.site,
        told,
        row.read_at,
        sealed,
    )


def due(connection: Connection) -> bool:
    """Whether anything could be sent now."""
    row: Any = connection.execute(
        "SELECT EXISTS (SELECT FROM comity.endpoint e WHERE e.enabled AND e.removed_at IS NULL "
        "AND e.paused_until <= now() AND EXISTS (SELECT FROM comity.delivery d WHERE d.endpoint_id = e.id "
        "AND d.state = 'pending' AND d.due_at <= now() AND (d.lease IS NULL OR d.lease_until <= now())))"
    ).fetchone()
    return bool(row[0])


@dataclass(frozen=True, slots=True)
class Attempt:
    """How an attempt went. status: of the answer, None without one; error says why. took: seconds."""

    number: int
    status: int | None
    took: float
    error: str | None
    answer: bytes


_MARK = """
WITH mine AS (
    UPDATE comity.delivery SET
        state = %(state)s, due_at = now() + %(wait)s, lease = NULL, lease_until = NULL,
        done_at = CASE WHEN %(state)s <> 'pending' THEN now() END
    WHERE id = %(id)s AND lease = %(lease)s AND state = 'pending' RETURNING id, endpoint_id
), noted AS (
    INSERT INTO comity.attempt (id, delivery_id, number, status, took, error, answer)
    SELECT %(attempt)s, id, %(number)s, %(status)s, %(took)s, %(error)s, %(answer)s FROM mine
)
SELECT endpoint_id FROM mine
"""


def mark(
    connection: Connection, claimed: Claimed, lease: UUID, attempt: Attempt, verdict: Verdict
) -> tuple[bool, str | None]:
    """Record an attempt and what follows from it, if the claim is still held: the others are passed over in silence.

    Answers whether it was, and why the endpoint is disabled from now on (None: it is not). Runs inside the caller's
    transaction.
    """
    row = connection.execute(
        _MARK,
        {
            "state": _state(verdict), "wait": timedelta(seconds=verdict.wait or 0.0), "id": claimed.id, "lease": lease,
            "attempt": new_id(), "number": attempt.number, "status": attempt.status, "took": attempt.took,
            "error": attempt.error, "answer": attempt.answer[:ANSWER_BYTES],
        },
    ).fetchone()  # fmt: skip
    if row is None:
        return False, None
    if verdict.outcome is Outcome.DELIVERED:
        _note_success(connection, claimed)
        return True, None
    why = _note_failure(connection, claimed, verdict)
    if verdict.wait is None:
        failing.clear(connection, [claimed.endpoint_id])
    return True, why


def _state(verdict: Verdict) -> str:
    if verdict.outcome is Outcome.DELIVERED:
        return "delivered"
    return "dead" if verdict.wait is None else "pending"


# What came from another URL than the endpoint has now says nothing of the endpoint.
def _note_success(connection: Connection, claimed: Claimed) -> None:
    """No failures in a row any more. A pause goes on: nothing was sent in it, so this was sent before it began."""
    connection.execute(
        "UPDATE comity.endpoint SET failures = 0, failing_since = NULL "
        "WHERE id = %s AND url = %s AND (failures > 0 OR failing_since IS NOT NULL)",
        [claimed.endpoint_id, claimed.url],
    )


#: Whether it failed for days: this very delivery failed that long ago, and nothing arrived since. The date alone may be
#: of something that was given up, or could not be signed, with nothing to tell in between. Asked of the endpoint's row
#: as it is once it is locked: a success may have been noted meanwhile.
_FOR_DAYS = """EXISTS (
        SELECT FROM comity.attempt a
        WHERE a.delivery_id = %(delivery)s AND a.at >= failing_since AND a.at < now() - %(patience)s
    )"""
_FAILURE = f"""
UPDATE comity.endpoint SET
    failures = failures + 1,
    failing_since = coalesce(failing_since, now()),
    paused_until = greatest(paused_until, now() + make_interval(secs => greatest(%(pause)s::float8,
        CASE WHEN failures + 1 < %(shaky)s THEN 0
             ELSE least(%(longest)s::float8, power(2, least(failures + 1, 30) - %(shaky)s)) END))),
    enabled = enabled AND NOT %(gone)s AND NOT {_FOR_DAYS},
    disabled_reason = CASE WHEN NOT enabled THEN disabled_reason WHEN %(gone)s THEN 'gone'
                           WHEN {_FOR_DAYS} THEN 'failing' END,
    disabled_at = CASE WHEN NOT enabled THEN disabled_at WHEN %(gone)s OR {_FOR_DAYS} THEN now() END
WHERE id = %(id)s AND url = %(url)s
RETURNING CASE WHEN disabled_at = now() THEN disabled_reason END AS why
"""


def _note_failure(connection: Connection, claimed: Claimed, verdict: Verdict) -> str | None:
    """Pauses double from the third failure in a row on; days of nothing but failures, or a 410, disable it."""
    row = connection.execute(
        _FAILURE,
        {
            "id": claimed.endpoint_id, "url": claimed.url, "delivery": claimed.id, "pause": verdict.pause,
            "shaky": retries.SHAKY, "longest": retries.LONGEST_PAUSE, "gone": verdict.outcome is Outcome.GONE,
            "patience": timedelta(days=retries.PATIENCE_DAYS),
        },
    ).fetchone()  # fmt: skip
    return None if row is None else row.why


def put_back(connection: Connection, claimed: Claimed, lease: UUID, wait: timedelta) -> None:
    """Give a delivery back that cannot be sent; no attempt counts, and its endpoint is looked at again after `wait`.

    Runs inside the caller's transaction. The endpoint fails, since nothing reaches it: its people are told.
    """
    connection.execute(
        "UPDATE comity.delivery SET lease = NULL, lease_until = NULL, attempts = attempts - 1 "
        "WHERE id = %s AND lease = %s",
        [claimed.id, lease],
    )
    connection.execute(
        "UPDATE comity.endpoint SET paused_until = greatest(paused_until, now() + %s), "
        "failing_since = coalesce(failing_since, now()) WHERE id = %s",
        [wait, claimed.endpoint_id],
    )
