"""What the tests of pages share."""

import itertools

import pytest

from tests.service.web.pages.browsing import Visitor, signed_in
from tests.world import World

_pages = itertools.count(1)


@pytest.fixture
def url() -> str:
    """A page of the blog that no other test uses."""
    return f"https://blog.example/{next(_pages)}"


@pytest.fixture
def visitor(shared: World) -> Visitor:
    """Somebody with a browser."""
    return Visitor(shared)


@pytest.fixture
def desk(shared: World) -> Visitor:
    """A moderator with an empty queue, signed in."""
    shared.execute("DELETE FROM comity.counter_change")
    shared.execute("DELETE FROM comity.counter")
    shared.execute("UPDATE comity.comment SET state = 'rejected', due_at = NULL WHERE state IN ('flagged', 'pending')")
    return signed_in(Visitor(shared), shared.moderator_token)
