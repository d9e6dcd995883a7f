"""Times of the queue are the database's: a machine whose clock is wrong neither loses nor delays anything."""

import ast
import time
from pathlib import Path

import pytest

from service.store.database import Database
from tests.workers.test_relay import CountingBell, NotedHelper
from tests.world import World, as_role
from workers.relay import Relay

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_jumps_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    """An hour ahead or behind: comments are due, claimed, decided and told at the database's time, and retried too."""
    before = world.submit()
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + hours * 3600)
    after = world.submit()
    database = Database(as_role(world.owner_url, "comity_relay"), "relay", 2)
    relay = Relay(database, CountingBell(), NotedHelper(), NotedHelper())  # type: ignore[arg-type]
    relay.step(0.15)
    assert not relay.working
    world.settle()
    assert {world.status(one)["status"] for one in (before, after)} == {"published"}
    relay.database.close()
    wrong = world.rows(
        "SELECT * FROM (SELECT created_at AS at FROM comity.comment UNION ALL SELECT published_at FROM comity.comment "
        "UNION ALL SELECT at FROM comity.decision UNION ALL SELECT at FROM comity.outbox UNION ALL "
        "SELECT claimed_at FROM comity.pulse UNION ALL SELECT seen_at FROM comity.presence UNION ALL "
        "SELECT done_at FROM comity.job) AS times WHERE at NOT BETWEEN now() - interval '5 minutes' AND now()"
    )
    assert wrong == []


def test_nobody_writes_the_time_of_a_machine_into_the_queue() -> None:
    """Neither the store nor the workers ask what time it is; they count seconds at most."""
    found = {
        f"{path.relative_to(ROOT)}: {ast.unparse(node)}"
        for folder in ("service/store", "workers")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith((".now", ".utcnow", ".today", "time.time"))
    }
    assert found == {"workers/beat.py: time.time()"}  # the age of a file on the same machine
