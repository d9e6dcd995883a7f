"""Endpoints of a site: where it wants to be told what happens, and the sealed secrets that sign what it is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import errors

from service.store import deliveries
from service.store.comments import NotFound
from service.store.database import Connection

MOST = 50  # of one site
OVERLAP = timedelta(hours=24)  # for which the secret before the newest still signs


class UrlTaken(Exception):
    """Raised when the site has an endpoint with this URL already."""


class TooMany(Exception):
    """Raised when a site has as many endpoints as it may."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as its site's people see it.

    disabled_reason: asked, gone (the receiver answered 410), failing (for days); None while it is enabled.
    failing_since: nothing but failures since then. waiting, dead: its deliveries that are pending, and given up.
    """

    id: UUID
    url: str
    description: str
    events: tuple[str, ...]
    scores: bool
    enabled: bool
    disabled_reason: str | None
    disabled_at: datetime | None
    failing_since: datetime | None
    created_by: str | None
    created_at: datetime
    changed_at: datetime
    waiting: int
    dead: int


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret as it is stored. ends_at: when it stops signing; None for the newest."""

    id: UUID
    sealed: bytes
    created_at: datetime
    ends_at: datetime | None


_COLUMNS = """
e.id, e.url, e.description, e.events, e.scores, e.enabled, e.disabled_reason, e.disabled_at, e.failing_since,
e.created_by, e.created_at, e.changed_at,
(SELECT count(*) FROM comity.delivery d WHERE d.endpoint_id = e.id AND d.state = 'pending') AS waiting,
(SELECT count(*) FROM comity.delivery d WHERE d.endpoint_id = e.id AND d.state = 'dead') AS dead
"""
_LIVE = "e.site_id = %s AND e.removed_at IS NULL"


def add(
    connection: Connection, endpoint_id: UUID, site_id: UUID, url: str, description: str, events: Sequence[str],
    scores: bool, by: str | None,
) -> Endpoint:  # fmt: skip
    """Make an endpoint, as yet without a secret. Raises UrlTaken, TooMany. Runs inside the caller's transaction."""
    connection.execute("SELECT FROM comity.site WHERE id = %s FOR UPDATE", [site_id])  # one after the other: counted
    row: Any = connection.execute(f"SELECT count(*) FROM comity.endpoint e WHERE {_LIVE}", [site_id]).fetchone()
    if row[0] >= MOST:
        raise TooMany
    try:
        connection.execute(
            "INSERT INTO comity.endpoint (id, site_id, url, description, events, scores, created_by) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [endpoint_id, site_id, url, description, list(events), scores, by],
        )
    except errors.UniqueViolation:
        raise UrlTaken from None
    return one(connection, site_id, endpoint_id)


def one(connection: Connection, site_id: UUID, endpoint_id: UUID) -> Endpoint:
    """An endpoint of this site. Raises NotFound."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM comity.endpoint e WHERE {_LIVE} AND e.id = %s", [site_id, endpoint_id]
    ).fetchone()
    if row is None:
        raise NotFound
    return _endpoint(row)


def site_of(connection: Connection, endpoint_id: UUID) -> UUID:
    """The inner id of an endpoint's site. Raises NotFound."""
    row = connection.execute(
        "SELECT site_id FROM comity.endpoint WHERE id = %s AND removed_at IS NULL", [endpoint_id]
    ).fetchone()
    if row is None:
        raise NotFound
    found: UUID = row.site_id
    return found


def listed(connection: Connection, site_id: UUID) -> list[Endpoint]:
    """A site's endpoints, oldest first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM comity.endpoint e WHERE {_LIVE} ORDER BY e.created_at, e.id", [site_id]
    ).fetchall()
    return [_endpoint(row) for row in rows]


def change(
    connection: Connection, site_id: UUID, endpoint_id: UUID, *, url: str | None = None, description: str | None = None,
    events: Sequence[str] | None = None, scores: bool | None = None, enabled: bool | None = None,
) -> Endpoint:  # fmt: skip
    """Change what is given. Enabling one, or another URL, forgets how it failed. Raises NotFound, UrlTaken.

    What waits for one that was disabled is due as soon as it is enabled. Runs inside the caller's transaction.
    """
    try:
        changed = connection.execute(
            f"""
            UPDATE comity.endpoint e SET
                url = coalesce(%(url)s, url), description = coalesce(%(description)s, description),
                events = coalesce(%(events)s, events), scores = coalesce(%(scores)s, scores),
                enabled = coalesce(%(enabled)s, enabled),
                disabled_reason = CASE WHEN %(enabled)s THEN NULL WHEN NOT %(enabled)s
                    THEN coalesce(disabled_reason, 'asked') ELSE disabled_reason END,
                disabled_at = CASE WHEN %(enabled)s THEN NULL WHEN NOT %(enabled)s
                    THEN coalesce(disabled_at, now()) ELSE disabled_at END,
                failures = CASE WHEN %(afresh)s THEN 0 ELSE failures END,
                failing_since = CASE WHEN %(afresh)s THEN NULL ELSE failing_since END,
                paused_until = CASE WHEN %(afresh)s THEN 'epoch' ELSE paused_until END,
                changed_at = now()
            WHERE {_LIVE.replace("%s", "%(site)s")} AND e.id = %(id)s
            RETURNING new.enabled AND NOT old.enabled AS woken
            """,
            {
                "url": url, "description": description, "events": None if events is None else list(events),
                "scores": scores, "enabled": enabled, "afresh": bool(enabled) or url is not None, "site": site_id,
                "id": endpoint_id,
            },
        ).fetchone()  # fmt: skip
    except errors.UniqueViolation:
        raise UrlTaken from None
    if changed is not None and changed.woken:
        deliveries.wake(connection, endpoint_id)
    return one(connection, site_id, endpoint_id)


def remove(connection: Connection, site_id: UUID, endpoint_id: UUID) -> None:
    """End an endpoint: nothing is sent any more, and its secrets are forgotten. Raises NotFound.

    Runs inside the caller's transaction. Its deliveries go with the next retention; until then nobody sees them.
    """
    gone = connection.execute(
        f"UPDATE comity.endpoint e SET removed_at = now(), url = '', changed_at = now() WHERE {_LIVE} AND e.id = %s",
        [site_id, endpoint_id],
    )
    if gone.rowcount == 0:
        raise NotFound
    connection.execute("DELETE FROM comity.endpoint_secret WHERE endpoint_id = %s", [endpoint_id])


def secrets(connection: Connection, site_id: UUID, endpoint_id: UUID) -> list[Sealed]:
    """The secrets that sign now, newest first. Raises NotFound for an endpoint that this site does not have."""
    one(connection, site_id, endpoint_id)
    rows = connection.execute(
        "SELECT id, sealed, created_at, ends_at FROM comity.endpoint_secret "
        "WHERE endpoint_id = %s AND (ends_at IS NULL OR ends_at > now()) ORDER BY created_at DESC, id DESC",
        [endpoint_id],
    ).fetchall()
    return [Sealed(row.id, bytes(row.sealed), row.created_at, row.ends_at) for row in rows]


def put_secret(connection: Connection, endpoint_id: UUID, secret_id: UUID, sealed: bytes) -> None:
    """Sign with this secret from now on, and for a day with the one before it too; any older one ends at once.

    Runs inside the caller's transaction.
    """
    connection.execute("SELECT FROM comity.endpoint WHERE id = %s FOR UPDATE", [endpoint_id])  # one after the other
    connection.execute(
        "DELETE FROM comity.endpoint_secret WHERE endpoint_id = %s AND ends_at IS NOT NULL", [endpoint_id]
    )
    connection.execute(
        "UPDATE comity.endpoint_secret SET ends_at = now() + %s WHERE endpoint_id = %s", [OVERLAP, endpoint_id]
    )
    connection.execute(
        "INSERT INTO comity.endpoint_secret (id, endpoint_id, sealed) VALUES (%s, %s, %s)",
        [secret_id, endpoint_id, sealed],
    )


def any_secret(connection: Connection) -> tuple[UUID, Sealed] | None:
    """Some secret with its endpoint, by which to tell whether a key opens what is here; None where there is none."""
    row = connection.execute(
        "SELECT endpoint_id, id, sealed, created_at, ends_at FROM comity.endpoint_secret "
        "ORDER BY created_at DESC LIMIT 1"
    ).fetchone()
    return None if row is None else (row[0], Sealed(row.id, bytes(row.sealed), row.created_at, row.ends_at))


def _endpoint(row: Any) -> Endpoint:
    return Endpoint(
        row.id, row.url, row.description, tuple(row.events), row.scores, row.enabled, row.disabled_reason,
        row.disabled_at, row.failing_since, row.created_by, row.created_at, row.changed_at, row.waiting, row.dead,
    )  # fmt: skip
