"""Several submissions by one statement: each is stored as it would be alone, or left out and untouched."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from service import embedded
from service.domain.ids import new_id
from service.domain.submission import Place, SealedContact, Submission
from service.store import submissions
from service.store.comments import Refused
from service.store.database import Busy, Database
from service.store.submissions import Accepted, RequestKey
from tests.world import World, as_role

Made = tuple[Submission, RequestKey]


@pytest.fixture(scope="module")
def kept(new_database: Callable[[], str], servers: embedded.Servers) -> Iterator[World]:
    """One database for all tests of this file."""
    made = World.make(new_database(), servers.broker_url)
    yield made
    made.close()


@pytest.fixture
def world(kept: World) -> World:
    """The same, with its site and nothing else."""
    kept.execute(
        "TRUNCATE comity.comment, comity.thread, comity.tree, comity.decision, comity.outbox, comity.idempotency, "
        "contacts.contact"
    )
    return kept


def made(world: World, place: Place | None = None, key: str | None = None, **members: Any) -> Made:
    """A submission to the page that is there, under a key of its own."""
    contact = SealedContact("abcdefgh", uuid4().bytes, uuid4().bytes, uuid4().bytes, "own")
    taken = Submission(
        new_id(), world.site.id, place or Place("page", None), "Ann", "Some text.", contact, b"d" * 32, **members
    )
    return taken, RequestKey("POST /v1/comments", key or str(uuid4()), taken.id.bytes * 2)


def many(database: Database, *lot: Made) -> set[UUID]:
    """Those of a lot that are stored."""
    with database.connection() as connection:
        return submissions.submit_many(connection, submissions.rows(lot))


def alone(database: Database, one: Made) -> Accepted:
    with database.connection() as connection:
        return submissions.submit(connection, *one)


def contents(world: World) -> list[Any]:
    """All that is stored, but for ids and times."""
    return world.rows(
        "SELECT to_jsonb(c) - '{id,root_id,created_at,updated_at,due_at}'::text[], c.root_id = c.id, c.due_at <= now(), "
        "to_jsonb(k) - '{comment_id,created_at}'::text[], i.route, i.outcomes = ARRAY[c.id::text], "
        "encode(i.fingerprint, 'hex'), to_jsonb(t) - '{id,created_at,changed_at}'::text[] "
        "FROM comity.comment c JOIN contacts.contact k ON k.comment_id = c.id JOIN comity.thread t ON t.id = c.thread_id "
        "JOIN comity.idempotency i ON i.outcomes = ARRAY[c.id::text] WHERE c.id <> ALL(%s) ORDER BY c.created_at",
        [],
    )


FULL: dict[str, Any] = {
    "website": "https://ann.example",
    "author_prefix": "192.0.2.0/24",
    "user_agent": "Agent",
    "referrer": "https://blog.example/",
    "language": "en",
    "submitted_at": datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
    "author_verified": True,
    "notify": True,
}


def test_each_is_stored_as_it_would_be_alone(world: World, database: Database) -> None:
    """Every column of comment, contact and key, of plain comments, full ones and answers."""
    parent = UUID(world.published()["id"])
    world.execute("UPDATE comity.thread SET url = 'https://blog.example/page', title = 'Page'")
    before = world.rows("SELECT id FROM comity.comment")
    lot = [
        made(world),
        made(world, **FULL),
        made(world, parent_id=parent),
        made(world, Place(None, "https://blog.example/page")),
        made(world, Place("page", "https://blog.example/other", "Another title")),
    ]
    found = []
    for _ in range(2):
        world.execute("DELETE FROM comity.idempotency")
        world.execute("DELETE FROM contacts.contact WHERE comment_id <> ALL(%s)", [id for (id,) in before])
        world.execute("DELETE FROM comity.comment WHERE id <> ALL(%s)", [id for (id,) in before])
        if not found:
            assert [alone(database, one).replayed for one in lot] == [False] * 5
        else:
            assert many(database, *lot) == {taken.id for taken, _ in lot}
        found.append(contents(world))
    assert len(found[0]) == 5
    assert found[0] == found[1]


def cases(world: World, database: Database) -> dict[str, tuple[Made, str]]:
    """What is left out, and what becomes of it alone."""
    world.execute("UPDATE comity.comment SET depth = 63 WHERE id = %s", world.published(thread={"key": "deep"})["id"])
    world.submit(thread={"key": "closed"})
    world.execute("UPDATE comity.thread SET closed_at = now() WHERE key = 'closed'")
    world.submit(thread={"key": "elsewhere"})
    world.submit(thread={"url": "https://blog.example/by-url"})
    deep = world.rows("SELECT id FROM comity.comment WHERE depth = 63")[0][0]
    other, pending = UUID(world.published(thread={"key": "other"})["id"]), UUID(world.submit()["id"])
    again = made(world)
    alone(database, again)
    old = made(world)
    alone(database, old)
    world.execute("UPDATE comity.idempotency SET created_at = now() - interval '25 hours' WHERE key = %s", old[1].key)
    return {
        "a new thread": (made(world, Place("new", None)), "accepted"),
        "a new thread by its URL": (made(world, Place(None, "https://blog.example/new")), "accepted"),
        "a thread that gains its URL": (made(world, Place("elsewhere", "https://blog.example/e")), "accepted"),
        "a thread that gains its key": (made(world, Place("gained", "https://blog.example/by-url")), "accepted"),
        "a thread that gains its title": (made(world, Place("elsewhere", None, "Title")), "accepted"),
        "a closed thread": (made(world, Place("closed", None)), "thread_closed"),
        "a parent that is not there": (made(world, parent_id=uuid4()), "parent_unknown"),
        "a parent in another thread": (made(world, parent_id=other), "parent_elsewhere"),
        "a parent that waits": (made(world, parent_id=pending), "parent_not_published"),
        "a parent too deep": (made(world, Place("deep", None), parent_id=deep), "too_deep"),
        "a key that was used": ((replace(again[0], id=new_id()), again[1]), "replayed"),
        "a key of another body": ((made(world)[0], replace(again[1], fingerprint=b"other")), "key_reused"),
        "a key of yesterday": ((made(world)[0], old[1]), "accepted"),
    }


def test_what_is_not_plain_is_left_out_and_untouched(world: World, database: Database) -> None:
    """It is refused or taken alone, as if nobody had tried; the plain one beside it is stored."""
    world.published()
    left = cases(world, database)
    tables = ("comment", "thread", "idempotency")

    def counts() -> list[int]:
        return [world.rows(f"SELECT count(*) FROM comity.{table}")[0][0] for table in tables]

    before, plain = counts(), made(world)
    threads = world.rows("SELECT to_jsonb(t) FROM comity.thread t ORDER BY id")
    assert many(database, *[one for one, _ in left.values()], plain) == {plain[0].id}
    assert counts() == [before[0] + 1, before[1], before[2] + 1]
    assert world.rows("SELECT to_jsonb(t) FROM comity.thread t ORDER BY id") == threads
    for name, (one, word) in left.items():
        try:
            accepted = alone(database, one)
        except Refused as refused:
            assert refused.code == word, name
        else:
            assert accepted.replayed == (word == "replayed"), name
            assert word in ("accepted", "replayed"), name


def test_of_another_site_nothing_is_seen(world: World, database: Database) -> None:
    """Neither its threads nor its comments; its keys are others."""
    parent = UUID(world.published()["id"])
    other, _ = world.add_site("other")
    theirs = [made(world), made(world, parent_id=parent)]
    assert many(database, *[(replace(taken, site_id=other), key) for taken, key in theirs]) == set()
    ours = made(world)
    world.execute(
        "INSERT INTO comity.idempotency (site_id, route, key, fingerprint) VALUES (%s, %s, %s, '')",
        other, ours[1].route, ours[1].key,
    )  # fmt: skip
    assert many(database, ours) == {ours[0].id}


def test_of_one_key_in_a_lot_the_first_is_stored(world: World, database: Database) -> None:
    """The second is left out, and alone it finds the first one's answer, or is another body's."""
    world.submit()
    first = made(world, key="same")
    second, third = made(world, key="same"), (made(world)[0], first[1])
    assert many(database, first, second, made(world), third) >= {first[0].id}
    assert alone(database, third) == Accepted(first[0].id, replayed=True)
    with pytest.raises(Refused, match="key_reused"):
        alone(database, second)
    assert world.rows("SELECT count(*) FROM comity.comment")[0][0] == 3


def test_one_that_is_at_fault_stores_none_of_them(world: World, database: Database) -> None:
    """So that each is told by itself; the connection goes on."""
    world.submit()
    bad, good = made(world, author_prefix="nowhere"), made(world)
    with pytest.raises(psycopg.DataError):
        many(database, good, bad)
    assert world.rows("SELECT count(*) FROM comity.comment") == [(1,)]
    assert many(database, good) == {good[0].id}


@pytest.mark.parametrize(
    "held",
    [
        "INSERT INTO comity.idempotency (site_id, route, key, fingerprint) VALUES (%s, 'POST /v1/comments', 'held', '')",
        "SELECT FROM comity.thread WHERE site_id = %s FOR UPDATE",
    ],
    ids=["key", "thread"],
)
def test_what_somebody_holds_is_not_waited_for(world: World, database: Database, held: str) -> None:
    """Others wait with it: after a moment none is stored. The patience of single submissions stays what it was."""
    world.submit()
    lot = [made(world, key="held"), made(world)]
    with psycopg.connect(world.owner_url) as holder:
        holder.execute(held, [world.site.id])
        begun = time.monotonic()
        with pytest.raises(Busy):
            many(database, *lot)
        assert time.monotonic() - begun < 1
        with database.connection() as connection:
            assert connection.execute("SHOW lock_timeout").fetchone() == ("2s",)
        holder.rollback()
    assert many(database, *lot) == {taken.id for taken, _ in lot}


def test_lots_with_the_same_keys_do_not_wait_for_each_other_in_a_ring(world: World) -> None:
    """Four connections, each with the keys in another order: every key is stored once, and nobody is in the way."""
    world.submit()
    pools = [Database(as_role(world.owner_url, "comity_web"), "web", 1) for _ in range(4)]
    for number in range(20):
        lots = [[made(world, key=f"{number}-{n}") for n in range(8)] for _ in pools]
        for turn, lot in enumerate(lots):
            lot[:] = lot[turn * 2 :] + lot[: turn * 2]

        with ThreadPoolExecutor(4) as threads:
            stored = list(threads.map(lambda pool, lot: many(pool, *lot), pools, lots))
        assert sum(map(len, stored)) == 8
    assert world.rows("SELECT count(*) FROM comity.comment")[0][0] == 161
    for pool in pools:
        pool.close()


def test_its_plan_reads_no_table_from_end_to_end(world: World, database: Database) -> None:
    """Made while the tables are small, it is used when they are large: it goes by their indexes from the start."""
    parent = UUID(world.published()["id"])
    world.execute("VACUUM ANALYZE comity.comment, comity.thread, comity.idempotency")
    with database.transaction() as connection:
        for _ in range(8):  # from the sixth on the plan is kept
            lot = [made(world), made(world, parent_id=parent)]
            assert len(submissions.submit_many(connection, submissions.rows(lot))) == 2
        scanned = connection.execute("SELECT relname FROM pg_stat_xact_user_tables WHERE seq_scan > 0").fetchall()
    assert scanned == []


def test_only_the_web_process_may(world: World) -> None:
    """Its functions are nobody else's."""
    asked: Sequence[str] = (
        "comity.submit_many(json)",
        "contacts.keep_many(uuid[],uuid[],text[],bytea[],bytea[],bytea[],text[])",
    )
    for role in ("comity_worker", "comity_relay", "comity_web"):
        allowed = [world.rows("SELECT has_function_privilege(%s, %s, 'EXECUTE')", role, name)[0][0] for name in asked]
        assert allowed == [role == "comity_web"] * 2
