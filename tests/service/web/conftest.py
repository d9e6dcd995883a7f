"""What the tests of the web edge share."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from service import embedded
from tests.world import World

_pages = itertools.count(1)


@pytest.fixture(scope="module")
def shared(new_database: Callable[[], str], servers: embedded.Servers) -> Iterator[World]:
    """One world for all tests of a file: each works on a page of its own."""
    world = World.make(new_database(), servers.broker_url, limit_prefix=(100_000, 60), limit_site=(1_000_000, 60))
    yield world
    world.close()


@pytest.fixture
def page() -> str:
    """The key of a page that no other test uses."""
    return f"page-{next(_pages)}"
