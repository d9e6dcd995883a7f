"""What a database says of itself, for whoever checks whether it may be trusted with comments: as its owner sees it, and
as a process of ours does that is about to start.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from service.store import contacts
from service.store.database import Forbidden, conninfo, wanted
from service.store.roles import ROLES

#: Server settings that matter, as `SHOW` has them.
SETTINGS = (
    "server_version_num", "fsync", "full_page_writes", "synchronous_commit", "max_connections",
    "superuser_reserved_connections", "log_parameter_max_length", "log_parameter_max_length_on_error", "log_statement",
    "log_error_verbosity", "server_encoding", "default_transaction_isolation",
)  # fmt: skip
_MUST = (
    ("comity_web", "comity.comment", "INSERT"), ("comity_web", "comity.decision", "INSERT"),
    ("comity_worker", "comity.comment", "UPDATE"), ("comity_worker", "comity.decision", "INSERT"),
    ("comity_relay", "comity.comment", "UPDATE"), ("comity_relay", "comity.job", "UPDATE"),
)  # fmt: skip
_PRIVATE = ("contacts.contact", "contacts.ban", "contacts.fingerprint", "contacts.hit")


#: Of these, the ones that a role or a database may have for itself.
_OWN = ("synchronous_commit", "default_transaction_isolation")


@dataclass(frozen=True, slots=True)
class Role:
    """A role of ours. powers: what it should not have; lacks: what it should; reads: private tables it can read.

    settings: what it was given for itself, by name.
    """

    name: str
    there: bool
    login: bool = False
    powers: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """Work that needs a clock: seconds between two turns, and since the last."""

    name: str
    every: float
    since: float | None


@dataclass(frozen=True, slots=True)
class Inspection:
    """A database as its owner sees it. Of an empty one, only server and roles are known.

    sources: where a setting comes from that is not the server's: "database", "user", "database user". user: who looks;
    authenticated: whether the server asked who it is. pending, oldest: comments that wait for a verdict, and for how
    many seconds the first has. pulse: seconds since a process of a kind last claimed a comment.
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
    sources: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    authenticated: bool = True


@dataclass(frozen=True, slots=True)
class Standing:
    """A database as a process of ours finds it.

    inspection: server, sources and the process's own role, on a connection without settings of ours. session: what is
    in force on a connection such as it will use. key_matches: whether its index key is the database's; None for a
    process without one.
    """

    inspection: Inspection
    session: Mapping[str, str]
    key_matches: bool | None = None


def standing(url: str, process: str, fingerprint: bytes | None = None) -> Standing | None:
    """How a process of this kind stands with the database of `url`; None when it does not answer, or has no schema.

    fingerprint: of the process's index key; the first one asked about is remembered. Raises Forbidden when the role may
    not even look.
    """
    try:
        with psycopg.connect(**conninfo(url, process)) as connection:
            session = {name: _show(connection, name) for name in wanted(process)}
        with psycopg.connect(
            url, connect_timeout=3, application_name=f"comity {process} starts", row_factory=namedtuple_row
        ) as connection:
            if not _one(connection, "SELECT to_regclass('comity.claim') IS NOT NULL"):
                return None
            inspection = _server(connection, (connection.info.user,), True)
            matches = None if fingerprint is None else contacts.matches(connection, "index", fingerprint)
    except psycopg.errors.InsufficientPrivilege as error:
        raise Forbidden from error
    except psycopg.OperationalError:
        return None
    return Standing(inspection, session, matches)


def _server(connection: psycopg.Connection[Any], names: Sequence[str], schema: bool) -> Inspection:
    """Server and roles, as any role may see them."""
    sources = dict(
        connection.execute(
            "SELECT name, source FROM pg_settings "
            "WHERE name = ANY(%s) AND source IN ('database', 'user', 'database user')",
            [list(_OWN)],
        ).fetchall()
    )
    return Inspection(
        {name: _show(connection, name) for name in SETTINGS},
        tuple(_role(connection, name, schema) for name in names),
        None, sources=sources, user=connection.info.user,
        authenticated=bool(_one(connection, "SELECT system_user IS NOT NULL")),
    )  # fmt: skip


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
    revision = None
    if _one(connection, "SELECT to_regclass('public.comity_version') IS NOT NULL"):
        revision = _one(connection, "SELECT version_num FROM public.comity_version")
    there = bool(_one(connection, "SELECT to_regclass('comity.job') IS NOT NULL"))
    seen = _server(connection, ROLES, there)
    if not there:
        return replace(seen, revision=revision)
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
    return replace(
        seen, revision=revision,
        fingerprint=_one(connection, "SELECT value FROM contacts.fingerprint WHERE name = 'index'"),
        sealed_to=tuple(row[0] for row in sealed),
        pending=pending, oldest=max(0.0, oldest), flagged=flagged, pulse=dict(pulse), now=now,
        jobs=tuple(Job(*row) for row in jobs),
    )  # fmt: skip


def _role(connection: psycopg.Connection[Any], name: str, schema: bool) -> Role:
    row = connection.execute(
        "SELECT rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, "
        "coalesce((SELECT pg_has_role(rolname, nspowner, 'MEMBER') FROM pg_namespace WHERE nspname = 'comity'), false) "
        "FROM pg_roles WHERE rolname = %s",
        [name],
    ).fetchone()
    if row is None:
        return Role(name, False)
    names = ("superuser", "may create roles", "may create databases", "passes row security", "acts as the owner")
    powers = tuple(power for power, has in zip(names, row[1:], strict=True) if has)
    settings = _settings_of(connection, name)
    if not schema:
        return Role(name, True, row[0], powers, settings=settings)
    lacks = tuple(
        f"{right} on {table}"
        for role, table, right in _MUST
        if role == name and not _may(connection, role, table, right)
    )
    reads = tuple(table for table in _PRIVATE if _may(connection, name, table, "SELECT"))
    return Role(name, True, row[0], powers, lacks, reads, settings)


def _settings_of(connection: psycopg.Connection[Any], name: str) -> tuple[tuple[str, str], ...]:
    """What a role was given for itself, everywhere or in this database; the latter counts."""
    rows = connection.execute(
        "SELECT split_part(one, '=', 1) AS name, split_part(one, '=', 2) AS value FROM pg_db_role_setting s "
        "JOIN pg_roles r ON r.oid = s.setrole CROSS JOIN unnest(s.setconfig) AS one "
        "WHERE r.rolname = %s AND s.setdatabase IN "
        "(0, (SELECT oid FROM pg_database WHERE datname = current_database())) ORDER BY s.setdatabase",
        [name],
    ).fetchall()
    return tuple((setting, value) for setting, value in dict(rows).items() if setting in _OWN)


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
