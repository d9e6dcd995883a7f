"""Brings a database to this release's schema."""

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, pool, text

from service.store.revision import current, newer

HEAD = "0004"  # a test compares it with the revisions' own head


def upgrade(owner_url: str) -> bool:
    """Make the schema that this release needs; True when anything had to be done.

    `owner_url` is the database as its owner, who may create schemas; the process roles must exist. Two callers at once:
    the second waits for the first. A newer release's schema is left as it is, so that one may go back to this release.
    """
    now = current(owner_url)
    if now == HEAD or newer(now):
        return False
    engine = create_engine(_sqlalchemy(owner_url), poolclass=pool.NullPool, hide_parameters=True)
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('comity migrations'))"))
        config = configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return True


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
