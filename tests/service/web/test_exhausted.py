"""When all connections are in use, a request waits two seconds for one and is told to come back."""

import time
from contextlib import ExitStack

from tests.world import World


def test_an_exhausted_pool_is_a_503_within_two_seconds(world: World) -> None:
    """With Retry-After, and nothing stored; afterwards all is well."""
    world.submit()  # the caller is known from here on
    services = world.app.extensions["comity"]
    with ExitStack() as stack:
        for _ in range(services.settings.web_threads + 2):
            stack.enter_context(services.database.connection())
        began = time.monotonic()
        answer = world.request("POST", "/v1/comments", world.secret_key, world.comment())
        took = time.monotonic() - began
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "2"
    assert 1.5 < took < 3
    assert world.rows("SELECT count(*) FROM comity.comment") == [(1,)]
    world.submit()
