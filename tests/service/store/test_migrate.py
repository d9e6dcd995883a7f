"""Bringing a database to this release's schema."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from service import embedded
from service.store import migrate
from tests.world import World


@pytest.fixture
def empty(servers: embedded.Servers, template: str) -> str:
    """A database with nothing in it, as its owner."""
    name = f"empty_{uuid4().hex}"
    with psycopg.connect(servers.superuser_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER comity_owner").format(sql.Identifier(name)))
    return urlsplit(servers.owner_url)._replace(path=f"/{name}").geturl()


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_head_in_the_code_is_the_revisions_own() -> None:
    """One head, and the one that a start compares with."""
    assert migrate.heads() == [migrate.HEAD]


def test_a_database_is_brought_to_this_release_once(empty: str) -> None:
    """From nothing to the head; the second time there is nothing to do."""
    assert migrate.current(empty) is None
    assert migrate.upgrade(empty) is True
    assert migrate.current(empty) == migrate.HEAD
    assert migrate.upgrade(empty) is False


def test_two_that_migrate_at_once_do_not_meet(empty: str) -> None:
    """The second waits for the first and finds it done."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(migrate.upgrade, [empty, empty]))
    assert migrate.current(empty) == migrate.HEAD


def test_a_migration_that_fails_leaves_nothing(empty: str) -> None:
    """It is one transaction: when its last table cannot be made, the first is not there either."""
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA contacts")
    with pytest.raises(Exception, match="contacts"):
        migrate.upgrade(empty)
    assert migrate.current(empty) is None
    with psycopg.connect(empty) as connection:
        assert connection.execute("SELECT to_regnamespace('comity')").fetchone() == (None,)


def test_indexes_are_made_beside_who_writes_and_reads(empty: str) -> None:
    """One that is open all the while keeps it from ending, and is itself not kept from writing."""
    migrate.upgrade(empty)
    with psycopg.connect(empty, autocommit=True) as owner:
        owner.execute("DROP INDEX comity.comment_queue, comity.comment_short, comity.comment_long")
        owner.execute(
            "CREATE INDEX comment_public ON comity.comment (thread_id, created_at, id) WHERE state = 'published'"
        )
        owner.execute(
            "CREATE INDEX comment_flagged ON comity.comment (site_id, created_at, id) WHERE state = 'flagged'"
        )
        owner.execute(
            "DROP TABLE comity.attempt, comity.delivery, comity.endpoint_secret, comity.endpoint, comity.ended_session"
        )
        owner.execute("UPDATE public.comity_version SET version_num = '0004'")
    with ThreadPoolExecutor(2) as pool, psycopg.connect(empty) as writer:
        writer.execute("UPDATE comity.comment SET version = version + 1")
        both = [pool.submit(migrate.upgrade, empty) for _ in range(2)]
        with psycopg.connect(empty, autocommit=True) as looker:
            waits = (
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%' AND wait_event_type = 'Lock'"
            )
            wait_for(lambda: looker.execute(waits).fetchone() == (1,))
            looker.execute("SET lock_timeout = '1s'")
            looker.execute("UPDATE comity.comment SET version = version + 1")
        writer.commit()
        for one in both:
            one.result(timeout=30)
    with psycopg.connect(empty) as owner:
        left = owner.execute(
            "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
            "WHERE c.relname ~ '^comment_(queue|flagged|short|long|public)$' ORDER BY c.relname"
        ).fetchall()
    assert left == [("comment_long", True), ("comment_queue", True), ("comment_short", True)]


def test_a_newer_schema_is_left_as_it_is(empty: str) -> None:
    """So that one may go back to this release; a revision that is none of ours is refused."""
    migrate.upgrade(empty)
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute("UPDATE public.comity_version SET version_num = '9999'")
        assert migrate.upgrade(empty) is False
        assert migrate.current(empty) == "9999"
        connection.execute("UPDATE public.comity_version SET version_num = 'strange'")
    with pytest.raises(Exception, match="strange"):
        migrate.upgrade(empty)


def test_every_foreign_key_has_an_index(world: World) -> None:
    """So that removing or locking a parent does not look through all children; tables of a few rows aside."""
    without = world.rows(
        "SELECT c.conrelid::regclass::text, a.attname FROM pg_constraint c "
        "JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] "
        "WHERE c.contype = 'f' AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1])"
    )
    assert sorted(without) == [
        ("comity.token_right", "site_id"),
    ]
