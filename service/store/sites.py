"""Sites, their policies, and the tokens that open them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import errors
from psycopg.types.json import Jsonb

from service.domain import urls
from service.domain.ids import new_id
from service.keys import new_token
from service.store.comments import NotFound
from service.store.database import Connection

LIVE_KEYS = 2  # of one site at once: the one in use and the next one
_LIVE = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())"


class Taken(Exception):
    """Raised when a site of this name exists."""


class TooManyKeys(Exception):
    """Raised when a site holds as many live keys as it may."""


@dataclass(frozen=True, slots=True)
class Site:
    """A website that embeds us. `name` is its public id; `limits` replace the default rate limits by name."""

    id: UUID
    name: str
    title: str
    origins: tuple[str, ...]
    limits: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Token:
    """A stored token without its secret. rights: site id (None: every site) to what it may there."""

    id: str
    kind: str
    digest: bytes
    name: str
    site_id: UUID | None
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    expired: bool
    revoked: bool
    rights: Mapping[UUID | None, str]


_SITE = "SELECT id, name, title, origins, limits, created_at FROM comity.site"


def add_site(connection: Connection, name: str, title: str, origins: Sequence[str], limits: Mapping[str, Any]) -> Site:
    """Make a site. Raises Taken."""
    try:
        connection.execute(
            "INSERT INTO comity.site (id, name, title, origins, limits) VALUES (%s, %s, %s, %s, %s)",
            [new_id(), name, title, list(origins), Jsonb(dict(limits))],
        )
    except errors.UniqueViolation:
        raise Taken from None
    return site_named(connection, name)


def change_site(
    connection: Connection,
    name: str,
    title: str | None,
    origins: Sequence[str] | None,
    limits: Mapping[str, Any] | None,
) -> Site:
    """Change what is given of a site. Raises NotFound."""
    connection.execute(
        "UPDATE comity.site SET title = coalesce(%s, title), origins = coalesce(%s, origins), "
        "limits = coalesce(%s, limits) WHERE name = %s",
        [title, None if origins is None else list(origins), None if limits is None else Jsonb(dict(limits)), name],
    )
    return site_named(connection, name)


def site_named(connection: Connection, name: str) -> Site:
    """The site with this public id. Raises NotFound."""
    return _site(connection.execute(f"{_SITE} WHERE name = %s", [name]).fetchone())


def site(connection: Connection, site_id: UUID) -> Site:
    """The site with this inner id. Raises NotFound."""
    return _site(connection.execute(f"{_SITE} WHERE id = %s", [site_id]).fetchone())


def sites(connection: Connection, ids: Sequence[UUID] | None = None) -> list[Site]:
    """All sites by name, or those with these ids."""
    rows = connection.execute(
        f"{_SITE} WHERE %s::uuid[] IS NULL OR id = ANY(%s) ORDER BY name", [ids and list(ids), ids and list(ids)]
    ).fetchall()
    return [_site(row) for row in rows]


def _site(row: Any) -> Site:
    if row is None:
        raise NotFound
    return Site(row.id, row.name, row.title, urls.origins(tuple(row.origins)), row.limits, row.created_at)


# Policies ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """A policy as it was put in force. lists: the site's imported lists by name, each with its version now."""

    version: int
    document: Mapping[str, Any]
    created_by: str | None = None
    created_at: datetime | None = None
    note: str | None = None
    lists: Mapping[str, int] = field(default_factory=dict)


#: What a site without a policy of its own is judged by.
BUILT_IN = PolicyVersion(0, {})

_POLICY = "p.version, p.document, p.created_by, p.created_at, p.note"


def policies(connection: Connection, site_ids: Sequence[UUID]) -> dict[UUID, PolicyVersion]:
    """The newest policy of each site that has one."""
    rows = connection.execute(
        f"SELECT DISTINCT ON (p.site_id) {_POLICY}, p.site_id, coalesce((SELECT jsonb_object_agg(l.name, l.version) "
        "FROM comity.list l WHERE l.site_id = p.site_id), '{}') AS lists "
        "FROM comity.policy p WHERE p.site_id = ANY(%s) ORDER BY p.site_id, p.version DESC",
        [list(site_ids)],
    ).fetchall()
    return {row.site_id: replace(PolicyVersion(*row[:5]), lists=row.lists) for row in rows}


def policy(connection: Connection, site_id: UUID, version: int | None = None) -> PolicyVersion:
    """A site's policy of this version, or the one in force. Raises NotFound for a version that never was."""
    if version is None:
        return policies(connection, [site_id]).get(site_id, BUILT_IN)
    if version == BUILT_IN.version:
        return BUILT_IN
    row = connection.execute(
        f"SELECT {_POLICY} FROM comity.policy p WHERE p.site_id = %s AND p.version = %s", [site_id, version]
    ).fetchone()
    if row is None:
        raise NotFound
    return PolicyVersion(*row)


def policy_versions(connection: Connection, site_id: UUID) -> list[PolicyVersion]:
    """All policies a site ever had, newest first."""
    rows = connection.execute(
        f"SELECT {_POLICY} FROM comity.policy p WHERE p.site_id = %s ORDER BY p.version DESC", [site_id]
    ).fetchall()
    return [PolicyVersion(*row) for row in rows]


def add_policy(
    connection: Connection, site_id: UUID, document: Mapping[str, Any], created_by: str | None, note: str | None = None
) -> int:
    """Put a new policy in force; returns its version. Runs inside the caller's transaction."""
    connection.execute("SELECT FROM comity.site WHERE id = %s FOR UPDATE", [site_id])  # one version at a time
    row = connection.execute(
        "INSERT INTO comity.policy (site_id, version, document, created_by, note) "
        "SELECT %s, coalesce(max(version), 0) + 1, %s, %s, %s FROM comity.policy WHERE site_id = %s RETURNING version",
        [site_id, Jsonb(dict(document)), created_by, note, site_id],
    ).fetchone()
    assert row is not None
    return int(row.version)


# Tokens --------------------------------------------------------------------------------------------------------------

_TOKEN = """
SELECT t.id, t.kind, t.digest, t.name, t.site_id, t.scopes, t.created_at, t.expires_at,
       t.expires_at <= now() IS TRUE AS expired, t.revoked_at IS NOT NULL AS revoked,
       coalesce((SELECT jsonb_agg(jsonb_build_array(r.site_id, r.may)) FROM comity.token_right r
                 WHERE r.token_id = t.id), '[]') AS rights
FROM comity.token t
"""


def token(connection: Connection, token_id: str) -> Token | None:
    """The stored token with this id, live or not; None when there is none."""
    row = connection.execute(f"{_TOKEN} WHERE t.id = %s", [token_id]).fetchone()
    return None if row is None else _token(row)


def site_keys(connection: Connection, site_id: UUID) -> list[Token]:
    """A site's secret keys, newest first, ended ones included."""
    rows = connection.execute(f"{_TOKEN} WHERE t.site_id = %s ORDER BY t.created_at DESC, t.id", [site_id]).fetchall()
    return [_token(row) for row in rows]


def add_site_key(
    connection: Connection, site_id: UUID, name: str, scopes: Sequence[str], lasting: timedelta | None
) -> tuple[Token, str]:
    """A new secret key of a site and, for this once, the key itself. Raises TooManyKeys.

    Runs inside the caller's transaction.
    """
    connection.execute("SELECT FROM comity.site WHERE id = %s FOR UPDATE", [site_id])
    row = connection.execute(f"SELECT count(*) FROM comity.token WHERE site_id = %s AND {_LIVE}", [site_id]).fetchone()
    assert row is not None
    if row[0] >= LIVE_KEYS:
        raise TooManyKeys
    return _add(connection, "secret_key", name, site_id, scopes, {}, lasting)


def add_moderator(
    connection: Connection, name: str, rights: Mapping[UUID | None, str], lasting: timedelta | None
) -> tuple[Token, str]:
    """A new moderator token with its rights and, for this once, the token itself."""
    return _add(connection, "moderator", name, None, (), rights, lasting)


def add_admin(connection: Connection, name: str, lasting: timedelta | None) -> tuple[Token, str]:
    """A new admin token and, for this once, the token itself."""
    return _add(connection, "admin", name, None, (), {}, lasting)


def tokens(connection: Connection, kind: str) -> list[Token]:
    """All tokens of a kind, newest first."""
    rows = connection.execute(f"{_TOKEN} WHERE t.kind = %s ORDER BY t.created_at DESC, t.id", [kind]).fetchall()
    return [_token(row) for row in rows]


def revoke(connection: Connection, token_id: str, *, site_id: UUID | None = None) -> None:
    """End a token now; of this site, if one is given. Raises NotFound; ending it twice changes nothing."""
    row = connection.execute(
        "UPDATE comity.token SET revoked_at = coalesce(revoked_at, now()) "
        "WHERE id = %s AND (%s::uuid IS NULL OR site_id = %s) RETURNING id",
        [token_id, site_id, site_id],
    ).fetchone()
    if row is None:
        raise NotFound


def _add(
    connection: Connection,
    kind: str,
    name: str,
    site_id: UUID | None,
    scopes: Sequence[str],
    rights: Mapping[UUID | None, str],
    lasting: timedelta | None,
) -> tuple[Token, str]:
    token_id, secret, digest = new_token(kind)
    connection.execute(
        "INSERT INTO comity.token (id, kind, digest, name, site_id, scopes, expires_at) "
        "VALUES (%s, %s, %s, %s, %s, %s, now() + %s)",
        [token_id, kind, digest, name, site_id, list(scopes), lasting],
    )
    for right_site, may in rights.items():
        connection.execute("INSERT INTO comity.token_right VALUES (%s, %s, %s)", [token_id, right_site, may])
    stored = token(connection, token_id)
    assert stored is not None
    return stored, secret


def _token(row: Any) -> Token:
    rights = {None if site is None else UUID(site): may for site, may in row.rights}
    return Token(
        row.id, row.kind, bytes(row.digest), row.name, row.site_id, tuple(row.scopes), row.created_at,
        row.expires_at, row.expired, row.revoked, rights,
    )  # fmt: skip
