"""Claims of deliveries, and who may record how one went."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest

from service.domain import retries
from service.domain.ids import new_id
from service.domain.lifecycle import Action, Actor
from service.domain.retries import judge
from service.store import comments, deliveries, sending
from service.store.comments import Ruling
from service.store.database import Database
from service.store.sending import Attempt, Claimed
from tests.world import World, as_role

FAILED = Attempt(1, 500, 0.1, None, b"no")
TAKEN = Attempt(1, 204, 0.1, None, b"")


@pytest.fixture
def database(world: World) -> Iterator[Database]:
    """The world's, as a relay."""
    made = Database(as_role(world.owner_url, "comity_relay"), "relay", 8)
    yield made
    made.close()


def endpoint(world: World, url: str = "https://hooks.example/") -> UUID:
    """An endpoint of the usual site."""
    answer: Any = world.request("POST", "/v1/sites/blog/webhooks", world.admin_token, {"url": url})
    return UUID(answer.json["id"])


def waiting(world: World, endpoint_id: UUID, count: int) -> None:
    """So many tests that wait for an endpoint."""
    world.execute(
        "INSERT INTO comity.delivery (id, endpoint_id, event_id, event, scores) "
        "SELECT gen_random_uuid(), %s, gen_random_uuid(), 'endpoint.test', false FROM generate_series(1, %s)",
        endpoint_id, count,
    )  # fmt: skip


def claim(database: Database, most: int = 100) -> tuple[UUID, list[Claimed]]:
    """A claim and its lease."""
    lease = new_id()
    with database.connection() as connection:
        return lease, sending.claim(connection, lease, most)


def mark(database: Database, claimed: Claimed, lease: UUID, attempt: Attempt) -> bool:
    """Record how one went; whether it counted."""
    with database.transaction() as connection:
        verdict = judge(attempt.status, None, claimed.number, 0.5)
        return sending.mark(connection, claimed, lease, attempt, verdict)[0]


def test_only_who_holds_the_claim_records(world: World, database: Database) -> None:
    """One that woke after its lease changes nothing, whatever it saw; the other's word stands."""
    waiting(world, endpoint(world), 1)
    late, (mine,) = claim(database)
    assert claim(database)[1] == []
    world.execute("UPDATE comity.delivery SET lease_until = now()")
    now, (theirs,) = claim(database)
    assert (theirs.id, mine.number, theirs.number) == (mine.id, 1, 2)
    assert not mark(database, mine, late, FAILED)
    assert mark(database, theirs, now, TAKEN)
    assert not mark(database, mine, late, FAILED)
    assert not mark(database, theirs, now, TAKEN)
    assert world.rows("SELECT state, attempts FROM comity.delivery") == [("delivered", 2)]
    assert world.rows("SELECT count(*) FROM comity.attempt") == [(1,)]
    assert world.rows("SELECT failures FROM comity.endpoint") == [(0,)]


def test_what_was_dropped_stays_dropped(world: World, database: Database) -> None:
    """Though it was on its way: its end is not recorded any more."""
    waiting(world, endpoint(world), 1)
    lease, (mine,) = claim(database)
    world.execute("UPDATE comity.delivery SET state = 'dropped', done_at = now(), lease = NULL, lease_until = NULL")
    assert not mark(database, mine, lease, TAKEN)
    assert world.rows("SELECT state FROM comity.delivery") == [("dropped",)]


def test_racing_claims_take_each_delivery_once_and_no_more_than_may_fly(world: World, database: Database) -> None:
    """Eight at once, again and again: four of each endpoint in all."""
    ends = [endpoint(world, f"https://hooks.example/{number}") for number in range(3)]
    for one in ends:
        waiting(world, one, 40)
    for _ in range(10):
        start = Barrier(8)

        def race(start: Barrier = start) -> list[Claimed]:
            start.wait()
            return claim(database)[1]

        with ThreadPoolExecutor(8) as pool:
            found = [one for future in [pool.submit(race) for _ in range(8)] for one in future.result()]
        assert len({one.id for one in found}) == len(found) == 3 * retries.IN_FLIGHT
        assert {sum(one.endpoint_id == end for one in found) for end in ends} == {retries.IN_FLIGHT}
        world.execute("UPDATE comity.delivery SET lease = NULL, lease_until = NULL")


@pytest.mark.parametrize("first_made", [0, 1])
def test_a_claim_is_fair_between_endpoints(world: World, database: Database, first_made: int) -> None:
    """One with thousands waiting does not take all that a sender has room for: who has fewest on their way comes first."""
    ends = [endpoint(world, f"https://hooks.example/{number}") for number in range(2)]
    many, few = ends[first_made], ends[1 - first_made]
    waiting(world, many, 2000)
    _, flying = claim(database)
    waiting(world, few, 1)
    back = "UPDATE comity.delivery SET lease = NULL, lease_until = NULL WHERE id = ANY(%s)"
    world.execute(back, [one.id for one in flying[:2]])
    for _ in range(10):
        _, (first,) = claim(database, 1)
        assert first.endpoint_id == few
        world.execute(back, [first.id])


def test_pauses_double_and_one_is_sent_at_a_time(world: World, database: Database) -> None:
    """From the third failure in a row on, up to five minutes; the first success forgets it all."""
    waiting(world, endpoint(world), 30)
    pause = "SELECT greatest(0, extract(epoch FROM paused_until - now()))::float8 FROM comity.endpoint"
    pauses = []
    for number in range(14):
        lease, found = claim(database)
        assert len(found) == (1 if number >= retries.SHAKY else retries.IN_FLIGHT)
        assert mark(database, found[0], lease, FAILED)
        pauses.append(round(world.rows(pause)[0][0]))
        assert (claim(database)[1] == []) is (pauses[-1] > 0)
        world.execute("UPDATE comity.endpoint SET paused_until = 'epoch'")
        world.execute("UPDATE comity.delivery SET lease = NULL, lease_until = NULL, due_at = now()")
    assert pauses == [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    lease, (one,) = claim(database)
    assert mark(database, one, lease, TAKEN)
    assert len(claim(database)[1]) == retries.IN_FLIGHT


def test_what_an_answer_says_is_kept_in_part(world: World, database: Database) -> None:
    """Its first kilobyte."""
    waiting(world, endpoint(world), 1)
    lease, (one,) = claim(database)
    mark(database, one, lease, Attempt(1, 500, 0.1, None, b"\x00" + b"x" * 5000))
    assert world.rows("SELECT octet_length(answer) FROM comity.attempt") == [(sending.ANSWER_BYTES,)]


def test_an_endpoint_fails_as_long_as_something_waits_for_it(world: World, database: Database) -> None:
    """Whatever was given up; one that is disabled keeps the time for its people."""
    one = endpoint(world)
    waiting(world, one, 3)
    lease, (first, second, third) = claim(database)
    assert mark(database, first, lease, FAILED)
    since = "SELECT failing_since IS NOT NULL FROM comity.endpoint"

    def give_up(claimed: Claimed) -> None:
        with database.transaction() as connection:
            assert deliveries.drop(connection, one, claimed.id) == 1

    give_up(first)
    give_up(second)
    assert world.rows(since) == [(True,)]
    world.execute("UPDATE comity.endpoint SET enabled = false, disabled_reason = 'gone', disabled_at = now()")
    give_up(third)
    assert world.rows(since) == [(True,)]


def test_a_comment_that_is_erased_leaves_no_failure_behind(world: World, database: Database) -> None:
    """Where it was all that an endpoint was to be told, which does not listen to erasures."""
    hears = {"url": "https://hooks.example/", "events": ["comment.published"]}
    assert world.request("POST", "/v1/sites/blog/webhooks", world.admin_token, hears).status_code == 201
    made = world.published()
    lease, (told,) = claim(database)
    assert mark(database, told, lease, FAILED)
    with world.app.extensions["comity"].database.transaction() as connection:
        seen = comments.see(connection, UUID(made["id"]), None)
        ruling = Ruling(seen.id, Action.ERASE, Actor.OPERATOR, seen.state, seen.version, seen.content_version)
        comments.decide_one(connection, ruling)
    assert world.rows("SELECT state, failing_since FROM comity.delivery, comity.endpoint") == [("dropped", None)]
