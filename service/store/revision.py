"""At which schema a database is, and which one this release works with; without the tools that bring it there."""

from functools import cache
from pathlib import Path

import psycopg

_MIGRATIONS = Path(__file__).with_name("migrations")


@cache
def newest() -> str:
    """The revision this release works with: the number of its last migration."""
    return max(path.name.partition("_")[0] for path in _MIGRATIONS.glob("[0-9]*.sql"))


def current(owner_url: str) -> str | None:
    """The revision the database is at; None for an empty one."""
    with psycopg.connect(owner_url, connect_timeout=5) as connection:
        found = connection.execute("SELECT to_regclass('public.comity_version') IS NOT NULL").fetchone()
        if not found or not found[0]:
            return None
        row = connection.execute("SELECT version_num FROM public.comity_version").fetchone()
        return row[0] if row else None


def newer(revision: str | None) -> bool:
    """Whether a later release made it. Revisions are numbers of four digits, and only ever add what a release needs."""
    return revision is not None and len(revision) == 4 and revision.isdigit() and revision > newest()
