"""Ways into a world's database, by the rights of its processes."""

from collections.abc import Iterator

import pytest

from service.store.database import Connection, Database
from tests.world import World, as_role


@pytest.fixture
def database(world: World) -> Iterator[Database]:
    """A small pool with the rights of the web process."""
    made = Database(as_role(world.owner_url, "comity_web"), "web", 1)
    yield made
    made.close()


@pytest.fixture
def connection(world: World) -> Iterator[Connection]:
    """With a worker's rights."""
    pool = Database(as_role(world.owner_url, "comity_worker"), "worker", 1)
    with pool.connection() as made:
        yield made
    pool.close()
