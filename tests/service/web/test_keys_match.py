"""The index key is the one the database began with, or the service is not ready."""

from dataclasses import replace

from service.app import create_app
from tests.world import World


def test_another_index_key_is_noticed(world: World) -> None:
    """With another key authors would not be recognised, so the process says that it is not ready."""
    ready = world.request("GET", "/readyz")
    assert (ready.status_code, ready.json) == (200, {"status": "ok", "database": True, "keys": True})

    other = create_app(replace(world.settings, index_key=bytes(range(32))))
    answer = other.test_client().get("/readyz", headers={"Host": "127.0.0.1:8080"})
    other.extensions["comity"].database.close()

    assert (answer.status_code, answer.json) == (503, {"status": "unavailable", "database": True, "keys": False})
