"""The database roles: one for each kind of process, with real passwords."""

from collections.abc import Mapping

import psycopg
from psycopg import sql

ROLES = ("comity_web", "comity_worker", "comity_relay")


def ensure(owner_url: str, passwords: Mapping[str, str]) -> None:
    """Make the roles that are missing, and set the passwords given (role to password).

    Raises psycopg.errors.InsufficientPrivilege when the owner may not create roles.
    """
    with psycopg.connect(owner_url, connect_timeout=5, autocommit=True) as connection:
        have = {
            name
            for (name,) in connection.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [list(ROLES)])
        }
        database = sql.Identifier(connection.info.dbname)
        for role in ROLES:
            if role not in have:
                _create(connection, role)
            connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, sql.Identifier(role)))
            if role in passwords:
                secret = connection.pgconn.encrypt_password(
                    passwords[role].encode(), role.encode(), b"scram-sha-256"
                ).decode()
                connection.execute(
                    sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(secret))
                )


def _create(connection: psycopg.Connection, role: str) -> None:
    try:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN NOINHERIT").format(sql.Identifier(role)))
    except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        return  # another process was quicker
