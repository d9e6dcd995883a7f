"""Claims: one row for a batch, which is over when it was decided, given back, or its time is up."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from service import failpoints
from service.domain.ids import new_id
from service.store import claims, comments
from service.store.claims import Claimed
from service.store.database import Connection, Database
from tests.world import World, as_role

Attempts = Callable[[], list[int]]


@pytest.fixture
def attempts(world: World) -> Attempts:
    """How often the comments were tried, by their claims that came to nothing, in the order they came in."""
    return lambda: [row[0] for row in world.rows("SELECT attempts FROM comity.comment ORDER BY created_at")]


def take(connection: Connection, limit: int = 10) -> list[Claimed]:
    """A claim on what nobody tried yet."""
    return claims.claim(connection, "worker:test:1", new_id(), limit)


def time_is_up(world: World) -> None:
    """Every claim runs out."""
    world.execute("UPDATE comity.claim SET until = now() - interval '1 second'")


def test_a_claim_touches_no_comment(world: World, connection: Connection) -> None:
    """The rows stay as they were, so that no index is written; what is held is claimed by nobody else."""
    for _ in range(3):
        world.submit()
    before = world.rows("SELECT ctid::text, xmin::text, xmax::text FROM comity.comment")
    taken = take(connection, 2)
    assert [one.attempts for one in taken] == [1, 1]
    assert world.rows("SELECT ctid::text, xmin::text, xmax::text FROM comity.comment") == before
    assert {one.id for one in take(connection)}.isdisjoint(one.id for one in taken)
    assert take(connection) == []
    assert claims.claim_retry(connection, "worker:test:1", new_id()) is None


def test_the_oldest_come_first(world: World, connection: Connection) -> None:
    """Whatever the order in which they are stored."""
    made = [UUID(world.submit()["id"]) for _ in range(4)]
    for age, one in enumerate(made):
        world.execute("UPDATE comity.comment SET due_at = now() - %s WHERE id = %s", timedelta(minutes=age), one)
    assert {one.id for one in take(connection, 2)} == {made[3], made[2]}


def test_what_is_held_is_not_due_until_its_time_is_up(world: World, connection: Connection) -> None:
    """So a relay does not ring for it; then it does at once."""
    world.submit()
    assert claims.backlog(connection).due
    take(connection)
    assert not claims.backlog(connection).due
    time_is_up(world)
    assert claims.backlog(connection).due


def test_a_claim_that_ran_out_counts_once(world: World, connection: Connection, attempts: Attempts) -> None:
    """Each of its comments was tried once more, whoever notices; from then on they are taken one by one."""
    for _ in range(3):
        world.submit()
    take(connection)
    time_is_up(world)
    for _ in range(3):
        assert take(connection) == []
        assert attempts() == [1, 1, 1]
    again = claims.claim_retry(connection, "worker:test:1", new_id())
    assert again is not None
    assert again.attempts == 2
    assert len(world.rows("SELECT FROM comity.claim")) == 1


def test_what_was_decided_or_taken_back_meanwhile_does_not_count(
    world: World, connection: Connection, attempts: Attempts
) -> None:
    """A claim that ran out makes nothing due again that is not."""
    withdrawn, decided, left = (world.submit() for _ in range(3))
    take(connection)
    world.request("DELETE", f"/v1/comments/{withdrawn['id']}", world.secret_key)
    world.decide(decided, "publish")
    time_is_up(world)
    take(connection)
    assert attempts() == [0, 0, 1]
    assert world.rows("SELECT id FROM comity.comment WHERE due_at IS NOT NULL") == [(UUID(left["id"]),)]


def test_a_claim_is_over_when_its_comments_are_decided(world: World) -> None:
    """In the same transaction: one that failed before its end leaves the claim, and gives it back."""
    world.submit()
    world.judge.pass_once()
    assert world.rows("SELECT FROM comity.claim") == []
    world.submit()
    failpoints.arm("deciding=raise")
    world.judge.pass_once()
    failpoints._ACTIONS.clear()
    assert world.rows("SELECT FROM comity.claim") == []
    assert world.rows("SELECT attempts FROM comity.comment WHERE due_at IS NOT NULL") == [(1,)]


def test_given_back_without_blame_is_tried_for_the_first_time_again(
    world: World, connection: Connection, attempts: Attempts
) -> None:
    """A lock or the database was in the way; giving back twice changes nothing."""
    world.submit()
    lease = new_id()
    claims.claim(connection, "worker:test:1", lease, 1)
    claims.release(connection, lease, blame=False)
    claims.release(connection, lease, blame=True)
    assert attempts() == [0]
    world.execute("UPDATE comity.comment SET due_at = now()")
    assert [one.attempts for one in take(connection)] == [1]


@pytest.mark.parametrize("how_far", ["rows locked", "claim ended"])
def test_nobody_waits_for_one_that_froze_while_it_decided(world: World, connection: Connection, how_far: str) -> None:
    """It holds its rows, or its claim too; both are passed over until its transaction ends."""
    first = world.submit()
    lease = new_id()
    claims.claim(connection, "worker:frozen:1", lease, 1)
    time_is_up(world)
    other = world.submit()
    frozen = Database(as_role(world.owner_url, "comity_worker"), "worker", 1)
    with frozen.transaction() as deciding:
        deciding.execute("SELECT FROM comity.comment WHERE id = %s FOR NO KEY UPDATE", [first["id"]])
        if how_far == "claim ended":
            claims.end(deciding, lease)
        began = datetime.now(UTC)
        assert UUID(other["id"]) in [one.id for one in take(connection)]
        assert datetime.now(UTC) - began < timedelta(seconds=1)
    frozen.close()


def test_a_claim_does_not_wait_for_the_disk(world: World, connection: Connection) -> None:
    """One that a crash of the database undoes was only a claim. Decisions do wait."""
    world.submit()
    with connection.transaction():
        take(connection)
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("off",)
    with connection.transaction():
        comments.decide(connection, [])
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)
