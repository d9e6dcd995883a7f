"""What a backup needs to know of a database, and the databases that backups are restored into."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from service.store import roles
from service.store.database import Connection, Forbidden, Unavailable, single
from service.store.revision import current

_TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('comity', 'contacts') AND c.relkind = 'r' AND c.relpersistence = 'p'
ORDER BY n.nspname, c.relname
"""
#: libpq's parameters as its environment variables, where the name is not the parameter's own.
_NAMES = {"application_name": "PGAPPNAME", "connect_timeout": "PGCONNECT_TIMEOUT", "dbname": "PGDATABASE"}
_KNOWN = frozenset(
    {
        "host", "hostaddr", "port", "dbname", "user", "password", "passfile", "channel_binding", "options",
        "application_name", "sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslsni", "sslnegotiation",
        "gssencmode", "connect_timeout", "require_auth", "target_session_attrs",
    }
)  # fmt: skip


def environment(url: str) -> dict[str, str]:
    """The URL as environment variables for PostgreSQL's own programs, so that no password stands in a command line."""
    given = conninfo_to_dict(url)
    return {
        _NAMES.get(name, f"PG{name.upper().replace('_', '')}"): str(value)
        for name, value in given.items()
        if name in _KNOWN
    }


def place(url: str) -> str:
    """Which database this is, without user and password."""
    given = conninfo_to_dict(url)
    return f"database {given.get('dbname', '')} at {given.get('host') or given.get('hostaddr') or 'this machine'}"


def major(connection: Connection) -> int:
    """The server's major version."""
    return int(connection.info.server_version) // 10_000


def counts(connection: Connection) -> dict[str, int]:
    """Rows of each table that a backup holds."""
    return {f"{schema}.{name}": _count(connection, schema, name) for schema, name in tables(connection)}


def tables(connection: Connection) -> list[tuple[str, str]]:
    """Schema and name of each table whose rows are kept."""
    return [(row.nspname, row.relname) for row in connection.execute(_TABLES).fetchall()]


def _count(connection: Connection, schema: str, name: str) -> int:
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, name))
    row: Any = connection.execute(query).fetchone()
    return int(row[0])


@contextmanager
def snapshot(connection: Connection) -> Iterator[str]:
    """One moment of the database, by a name under which other sessions can look at it until the block ends."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        row: Any = connection.execute("SELECT pg_export_snapshot()").fetchone()
        yield str(row[0])


def is_empty(connection: Connection) -> bool:
    """Whether a database holds nothing of ours and nothing of anybody else's."""
    row: Any = connection.execute(
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
    ).fetchone()
    return int(row[0]) == 0


def make_roles(url: str) -> None:
    """The roles that a restored database grants rights to. Raises Forbidden when the owner may not make them."""
    try:
        roles.ensure(url, {})
    except psycopg.errors.InsufficientPrivilege as error:
        raise Forbidden from error
    except psycopg.OperationalError as error:
        raise Unavailable from error


@contextmanager
def scratch(admin_url: str, owner_url: str, name: str) -> Iterator[str]:
    """The owner's URL of a new empty database, which is gone at the end of the block. Raises Forbidden, Unavailable."""
    owner = urlsplit(owner_url)
    database = sql.Identifier(name)
    with single(admin_url, "command") as connection:
        made = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'")
        connection.execute(made.format(database, sql.Identifier(str(conninfo_to_dict(owner_url)["user"]))))
    try:
        yield owner._replace(path=f"/{name}").geturl()
    finally:
        with single(admin_url, "command") as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(database))


def state(url: str) -> tuple[str | None, Mapping[str, int]]:
    """The schema's revision and the rows of each table."""
    with single(url, "command") as connection:
        return current(url), counts(connection)
