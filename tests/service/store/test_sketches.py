"""Near repeats in the database: which earlier comments count."""

from dataclasses import replace
from uuid import UUID

import pytest

from service import evidence
from service.store import sketches
from service.store.database import Connection
from service.store.sketches import Sketched
from tests.world import World

TEXT = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen {}"


def sketched(world: World, body: str) -> Sketched:
    """A comment of this text, not judged, with its sketch."""
    made = UUID(world.submit(body=body)["id"])
    found = evidence.sketched(world.site.id, body)
    assert found is not None
    return Sketched(made, *found, hours=24, least=0.5)


def test_each_has_the_likeness_of_its_likest_earlier_one(world: World, connection: Connection) -> None:
    """The first has none; the order in which they are asked about does not matter."""
    first, second, third = (
        sketched(world, TEXT.format(end)) for end in ("alpha beta gamma", "alpha beta", "alpha beta gamma delta")
    )
    sketches.keep(connection, [third, first, second])
    found = sketches.likeness(connection, [second, third, first])
    assert set(found) == {second.comment_id, third.comment_id}
    assert all(0.5 <= like < 1 for like in found.values())
    assert found[third.comment_id] >= sketches.likeness(connection, [replace(third, least=0.9)]).get(
        third.comment_id, 0
    )


def test_sketches_may_be_kept_again(world: World, connection: Connection) -> None:
    """As when a batch is tried once more: nothing is doubled, and an edited text has its new sketch."""
    one = sketched(world, TEXT.format("alpha"))
    for _ in range(2):
        sketches.keep(connection, [one])
    edited = evidence.sketched(world.site.id, TEXT.format("omega").replace("t", "tt"))
    assert edited is not None
    sketches.keep(connection, [replace(one, made=edited[0], bands=edited[1])])
    assert world.rows("SELECT made FROM comity.sketch") == [(edited[0],)]
    assert world.rows("SELECT count(*) FROM comity.band") == [(len({*one.bands, *edited[1]}),)]


@pytest.mark.parametrize(
    "change",
    [
        "state = 'withdrawn', due_at = NULL",
        "state = 'erased', due_at = NULL",
        "created_at = created_at - interval '25 hours'",
    ],
)
def test_what_is_gone_or_too_old_does_not_count(world: World, connection: Connection, change: str) -> None:
    """Nor does one that is not alike enough."""
    earlier, later = (sketched(world, TEXT.format(end)) for end in ("alpha", "alpha"))
    sketches.keep(connection, [earlier, later])
    assert sketches.likeness(connection, [later]) == {later.comment_id: 1.0}
    assert sketches.likeness(connection, [replace(later, least=1.1)]) == {}
    world.execute(f"UPDATE comity.comment SET {change} WHERE id = %s", earlier.comment_id)
    assert sketches.likeness(connection, [later]) == {}


def test_nothing_asked_is_nothing_found(world: World, connection: Connection) -> None:
    """No comment, and one that shares no band with any."""
    assert sketches.likeness(connection, []) == {}
    sketches.keep(connection, [])
    assert sketches.likeness(connection, [sketched(world, TEXT.format("alpha"))]) == {}
