"""What a database says of itself, for whoever checks whether it may be trusted with comments."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from service.store.roles import ROLES

#: Server settings that matter, as `SHOW` has them.
SETTINGS = (
    "server_version_num", "fsync", "full_page_writes", "synchronous_commit", "max_connections",
    "superuser_reserved_connections", "log_parameter_max_length", "log_parameter_max_length_on_error", "log_statement",
    "log_error_verbosity", "server_encoding",
)  # fmt: skip
_MUST = (
    ("comity_web", "comity.comment", "INSERT"), ("comity_web", "comity.decision", "INSERT"),
    ("comity_worker", "comity.comment", "UPDATE"), ("comity_worker", "comity.decision", "INSERT"),
    ("comity_relay", "comity.comment", "UPDATE"), ("comity_relay", "comity.job", "UPDATE"),
)  # fmt: skip
_PRIVATE = ("contacts.contact", "contacts.ban", "contacts.fingerprint", "contacts.hit")


@dataclass(frozen=True, slots=True)
class Role:
    """A role of ours. powers: what it should not have; lacks: what it should; reads: private tables it can read."""

    name: str
    there: bool
    login: bool = False
    powers: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """Work that needs a clock: seconds between two turns, and since the last."""

    name: str
    every: float
    since: float | None


@dataclass(frozen=True, slots=True)
class Inspection:
    """A database as its owner sees it. Of an empty one, only server and roles are known.

    pending, oldest: comments that wait for a verdict, and for how many seconds the first has. pulse: seconds since a
    process of a kind last claimed a comment.
    """

    server: Mapping[str, str]
    roles: tuple[Role, ...]
    revision: str | None
    fingerprint: bytes | None = None
    sealed_to: tuple[str, ...] = ()
    pending: int = 0
    oldest: float = 0.0
    flagged: int = 0
    pulse: Mapping[str, float] | None = None
    jobs: tuple[Job, ...] = ()
    now: datetime | None = None


def inspect(owner_url: str) -> Inspection | None:
    """All of it; None when the database does not answer or does not let the owner in.

    On a connection without settings of ours, so that what is shown is what the server was given.
    """
    try:
        with psycopg.connect(owner_url, connect_timeout=5, application_name="comity doctor") as connection:
            connection.read_only = True
            return _inspect(connection)
    except psycopg.OperationalError:
        return None


def _inspect(connection: psycopg.Connection[Any]) -> Inspection:
    server = {name: _show(connection, name) for name in SETTINGS}
    revision = None
    if _one(connection, "SELECT to_regclass('public.comity_version') IS NOT NULL"):
        revision = _one(connection, "SELECT version_num FROM public.comity_version")
    there = bool(_one(connection, "SELECT to_regclass('comity.job') IS NOT NULL"))
    roles = tuple(_role(connection, name, there) for name in ROLES)
    if not there:
        return Inspection(server, roles, revision)
    pending, oldest, flagged, now = connection.execute(
        "SELECT (SELECT count(*) FROM comity.comment WHERE due_at IS NOT NULL), "
        "coalesce((SELECT extract(epoch FROM now() - min(due_at)) FROM comity.comment WHERE due_at IS NOT NULL), 0)"
        "::float8, (SELECT count(*) FROM comity.comment WHERE state = 'flagged'), now()"
    ).fetchall()[0]
    pulse = connection.execute(
        "SELECT split_part(process, ':', 1), extract(epoch FROM now() - max(claimed_at))::float8 "
        "FROM comity.pulse GROUP BY 1"
    ).fetchall()
    jobs = connection.execute(
        "SELECT name, extract(epoch FROM every)::float8, extract(epoch FROM now() - done_at)::float8 "
        "FROM comity.job ORDER BY name"
    ).fetchall()
    sealed = connection.execute("SELECT DISTINCT key_id FROM contacts.contact ORDER BY key_id LIMIT 10").fetchall()
    return Inspection(
        server, roles, revision,
        fingerprint=_one(connection, "SELECT value FROM contacts.fingerprint WHERE name = 'index'"),
        sealed_to=tuple(row[0] for row in sealed),
        pending=pending, oldest=max(0.0, oldest), flagged=flagged, pulse=dict(pulse), now=now,
        jobs=tuple(Job(*row) for row in jobs),
    )  # fmt: skip


def _role(connection: psycopg.Connection[Any], name: str, schema: bool) -> Role:
    row = connection.execute(
        "SELECT rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, "
        "pg_has_role(rolname, current_user, 'MEMBER') AND rolname <> current_user "
        "FROM pg_roles WHERE rolname = %s",
        [name],
    ).fetchone()
    if row is None:
        return Role(name, False)
    names = ("superuser", "may create roles", "may create databases", "passes row security", "acts as the owner")
    powers = tuple(power for power, has in zip(names, row[1:], strict=True) if has)
    if not schema:
        return Role(name, True, row[0], powers)
    lacks = tuple(
        f"{right} on {table}"
        for role, table, right in _MUST
        if role == name and not _may(connection, role, table, right)
    )
    reads = tuple(table for table in _PRIVATE if _may(connection, name, table, "SELECT"))
    return Role(name, True, row[0], powers, lacks, reads)


def _may(connection: psycopg.Connection[Any], role: str, table: str, right: str) -> bool:
    return bool(
        _one(connection, "SELECT has_table_privilege(%s, %s, %s) OR has_any_column_privilege(%s, %s, %s)",
             [role, table, right, role, table, right])
    )  # fmt: skip


def _show(connection: psycopg.Connection[Any], name: str) -> str:
    return str(_one(connection, "SELECT current_setting(%s, true)", [name]))


def _one(connection: psycopg.Connection[Any], query: str, arguments: list[Any] | None = None) -> Any:
    row = connection.execute(query, arguments or []).fetchone()
    return None if row is None else row[0]
