"""Brings a database to this release's schema."""

import time

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, pool, text

from service.store.revision import current, newer

HEAD = "0008"  # a test compares it with the revisions' own head
_LOCK = text("SELECT pg_try_advisory_lock(hashtext('comity migrations'))")
_AGAIN = 0.1  # seconds


def upgrade(owner_url: str) -> bool:
    """Make the schema that this release needs; True when anything had to be done.

    `owner_url` is the database as its owner, who may create schemas; the process roles must exist. Two callers at once:
    the second waits for the first. A newer release's schema is left as it is, so that one may go back to this release.
    """
    now = current(owner_url)
    if now == HEAD or newer(now):
        return False
    engine = create_engine(_sqlalchemy(owner_url), poolclass=pool.NullPool, hide_parameters=True)
    with engine.connect() as connection:
        _take_turn(connection)
        config = configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return True


def _take_turn(connection: Connection) -> None:
    """Wait until nobody else migrates; the turn ends with the connection.

    Whoever waits asks again and again, outside of any transaction: an index that is made beside others' work waits for
    all transactions that are open, and would wait for one that waits for it.
    """
    while not connection.scalar(_LOCK):
        connection.rollback()
        time.sleep(_AGAIN)
    connection.commit()


def configuration() -> Config:
    """Alembic's configuration, without a file."""
    config = Config()
    config.set_main_option("script_location", "service:store/migrations")
    config.set_main_option("path_separator", "os")
    return config


def heads() -> list[str]:
    """The newest revisions there are; one, unless two branches were left unmerged."""
    return ScriptDirectory.from_config(configuration()).get_heads()


def _sqlalchemy(url: str) -> str:
    return f"postgresql+psycopg://{url.partition('://')[2]}"
