"""Connections: how they are set, and the two words their failures come down to."""

import select
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import psycopg
import pytest

from service.store.database import Busy, Database, Unavailable
from tests.lab.proxy import WAYS, Proxy
from tests.world import World, as_role


def test_every_connection_has_its_time_outs(world: World) -> None:
    """As long as its process may wait, and nothing is answered before it is on disk."""
    for process, statement in (("web", "5s"), ("worker", "30s"), ("relay", "30s")):
        pool = Database(as_role(world.owner_url, f"comity_{process}"), process, 1)
        with pool.connection() as connection:
            names = (
                "statement_timeout",
                "lock_timeout",
                "idle_in_transaction_session_timeout",
                "synchronous_commit",
                "TimeZone",
            )
            rows = [connection.execute(f"SHOW {name}").fetchone() for name in names]
            assert [row[0] for row in rows if row] == [statement, "2s", "10s", "on", "UTC"]
            assert connection.autocommit
        pool.close()


def test_without_a_free_connection_it_is_unavailable_within_two_seconds(database: Database) -> None:
    """Nobody waits for ever."""
    with database.connection():
        begun = time.monotonic()
        with pytest.raises(Unavailable), database.connection():
            pass
        assert 1.5 < time.monotonic() - begun < 4


def test_a_lock_that_is_held_makes_it_busy(world: World, database: Database) -> None:
    """After two seconds, not for ever."""
    world.published()
    with psycopg.connect(world.owner_url) as holder:
        holder.execute("SELECT FROM comity.thread FOR UPDATE")
        with pytest.raises(Busy), database.connection() as connection:
            connection.execute("UPDATE comity.thread SET title = 'x'")


def test_two_that_wait_for_each_other_are_busy_and_not_broken(world: World) -> None:
    """A deadlock ends one of them with Busy; the other goes through."""
    one, two = world.published(thread={"key": "one"}), world.published(thread={"key": "two"})
    pools = [Database(as_role(world.owner_url, "comity_web"), "web", 1) for _ in range(2)]
    gate = threading.Barrier(2)
    ends: list[str] = []

    def update(pool: Database, first: str, second: str) -> None:
        try:
            with pool.transaction() as connection:
                connection.execute("UPDATE comity.comment SET updated_at = now() WHERE id = %s", [first])
                gate.wait()
                connection.execute("UPDATE comity.comment SET updated_at = now() WHERE id = %s", [second])
            ends.append("done")
        except Busy:
            ends.append("busy")

    threads = [
        threading.Thread(target=update, args=(pools[0], one["id"], two["id"])),
        threading.Thread(target=update, args=(pools[1], two["id"], one["id"])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends) == ["busy", "done"]
    for pool in pools:
        pool.close()


def test_a_connection_that_is_cut_makes_it_unavailable(database: Database) -> None:
    """Whether a transaction was committed is then not known; the next request has a new connection."""
    with pytest.raises(Unavailable), database.transaction() as connection:
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    with database.connection() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("way", WAYS)
def test_a_commit_that_is_cut_in_any_way_makes_it_unavailable(world: World, way: str) -> None:
    """Also where the server's last words stand within its answer: the driver has no SQLSTATE for that."""
    proxy = Proxy(Path(unquote(world.owner_url.partition("host=")[2])) / ".s.PGSQL.5432", share=0.0, ways=[way])
    pool = Database(proxy.url(as_role(world.owner_url, "comity_web")), "web", 1)
    with pool.connection() as connection:  # no commit of the pool's own is cut
        connection.execute("SELECT 1")
    proxy.share = 1.0
    try:
        with pytest.raises(Unavailable), pool.transaction() as connection:
            connection.execute("SELECT 1")
        assert proxy.cuts == {("decision", way): 1}
    finally:
        proxy.close()
        pool.close()


@pytest.mark.parametrize("statement", ["SELECT FROM nothing", "SELECT 1/0", "SELECT %s"])
def test_whatever_another_try_cannot_heal_is_told_as_it_is(database: Database, statement: str) -> None:
    """By the server, or by the driver before it asks."""
    with pytest.raises(psycopg.Error), database.connection() as connection:
        connection.execute(statement, [object()] if "%s" in statement else None)


def test_a_fault_of_ours_stays_what_it_is(database: Database) -> None:
    """Only what another try may heal is Busy or Unavailable."""
    with pytest.raises(psycopg.errors.UndefinedTable), database.connection() as connection:
        connection.execute("SELECT FROM nothing")


def test_an_exception_leaves_nothing_of_its_transaction(world: World, database: Database) -> None:
    """What came before it is rolled back."""
    world.published()

    def half() -> None:
        with database.transaction() as connection:
            connection.execute("UPDATE comity.thread SET title = 'half'")
            raise KeyError

    with pytest.raises(KeyError):
        half()
    assert world.rows("SELECT title FROM comity.thread") == [(None,)]


def test_it_says_whether_it_answers(world: World) -> None:
    """Yes; after it was closed no."""
    pool = Database(as_role(world.owner_url, "comity_web"), "web", 1)
    assert pool.answers()
    pool.close()
    assert not pool.answers()


@pytest.mark.parametrize("setting", ["idle_in_transaction_session_timeout", "transaction_timeout"])
def test_a_session_that_the_server_ended_for_its_time_makes_it_unavailable(database: Database, setting: str) -> None:
    """It is nobody's fault who is served now; the next one has a new connection."""

    def wait() -> None:
        with database.transaction() as connection:
            connection.execute(f"SET LOCAL {setting} = '100ms'")
            _hung_up(connection)
            connection.execute("SELECT 1")

    with pytest.raises(Unavailable):
        wait()
    with database.connection() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def _hung_up(connection: psycopg.Connection[Any]) -> None:
    """Wait until the server has said its last."""
    last = select.poll()
    last.register(connection.fileno(), select.POLLRDHUP)
    assert last.poll(10_000)


def test_a_server_that_takes_no_writes_makes_it_unavailable(world: World, database: Database) -> None:
    """After a failover the pool may still be connected to the one that only reads."""
    world.published()
    seen = []

    def write() -> None:
        with database.transaction() as connection:
            seen.append(connection.info.backend_pid)
            connection.execute("SET TRANSACTION READ ONLY")
            connection.execute("UPDATE comity.thread SET title = 'x'")

    with pytest.raises(Unavailable):
        write()
    with database.connection() as connection:
        assert connection.info.backend_pid not in seen
        connection.execute("UPDATE comity.thread SET title = 'x'")
