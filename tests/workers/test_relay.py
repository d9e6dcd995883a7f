"""When a relay rings, when it works, and when it rests."""

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
import yaml

from service.embedded.process import Process
from service.store import database as database_module
from service.store import jobs
from service.store.claims import Backlog
from service.store.database import Database
from service.store.gauges import gauges
from tests.faults.house import ROOT
from tests.world import World, as_role
from workers import delivery
from workers.deafness import deaf
from workers.relay import BROKER_PATIENCE, GRACE, RINGS, SENDER_GRACE, Relay

BUSY = Backlog(due=True, delay=0.1, worker=0.2, relay=float("inf"))


class CountingBell:
    """A bell that keeps the contract: it rings, or the broker is away (waiting is None)."""

    def __init__(self) -> None:
        self.rings = 0
        self.queue: int | None = 0

    def ring(self) -> bool:
        if self.queue is None:
            return False
        self.rings += 1
        self.queue += 1
        return True

    def waiting(self) -> int | None:
        return self.queue


class NotedHelper:
    """A helper that only notes whether it should run; the real ones are run in tests/faults."""

    running = False

    def work(self) -> None:
        self.running = True

    def rest(self) -> None:
        self.running = False


@pytest.fixture
def relay(world: World) -> Iterator[Relay]:
    """A relay on the test's database, with a bell that counts."""
    database = Database(as_role(world.owner_url, "comity_relay"), "relay", 2)
    yield Relay(database, CountingBell(), NotedHelper(), NotedHelper())  # type: ignore[arg-type]
    database.close()


def test_a_relay_rings_for_due_rows(world: World, relay: Relay) -> None:
    """A lost ring costs one look; nothing due, no ring."""
    relay.step(0.15)
    assert relay.bell.rings == 0  # type: ignore[attr-defined]
    world.submit()
    relay.step(0.15)
    assert relay.bell.rings == 1  # type: ignore[attr-defined]
    assert world.rows("SELECT attempts FROM comity.comment") == [(0,)]


def test_a_relay_never_floods_the_broker(world: World, relay: Relay) -> None:
    """However long nobody answers, no more than a few rings wait."""
    world.submit()
    for _ in range(100):
        relay.step(0.0)
    assert relay.bell.waiting() == RINGS


def test_a_relay_works_the_queue_when_nobody_claims(world: World, relay: Relay) -> None:
    """Due for five seconds without any worker's claim: the relay starts its stand-in."""
    world.submit()
    relay.step(0.15)
    assert not relay.stand_in.running  # type: ignore[attr-defined]
    world.execute("UPDATE comity.comment SET due_at = now() - interval '6 seconds'")
    relay.step(0.15)
    assert relay.stand_in.running  # type: ignore[attr-defined]


def test_a_relay_rests_once_a_worker_claims_again(world: World, relay: Relay) -> None:
    """It stops working as soon as a worker is heard."""
    world.submit()
    world.execute("UPDATE comity.comment SET due_at = now() - interval '6 seconds'")
    relay.step(0.15)
    assert relay.working
    world.submit()
    world.judge.pass_once()
    relay.step(0.15)
    assert not relay.working
    assert not relay.stand_in.running  # type: ignore[attr-defined]


def test_a_relay_works_when_the_broker_is_long_gone(world: World, relay: Relay) -> None:
    """Half a minute without an answer from the broker is enough, even while rows are young."""
    relay.bell.queue = None  # type: ignore[attr-defined]
    world.submit()
    relay.step(BROKER_PATIENCE - 1)
    assert not relay.working
    relay.step(1.0)
    assert relay.working


def test_a_relay_is_seen_while_it_comes_round(world: World, relay: Relay) -> None:
    """It says so every two seconds; one that was not seen for a while is missing, and forgotten after a day."""
    for _ in range(3):
        relay.step(0.15)
    assert _alive(world) == 1
    world.execute("UPDATE comity.presence SET seen_at = now() - interval '16 seconds'")
    assert _alive(world) == 0
    world.execute("UPDATE comity.presence SET seen_at = now() - interval '25 hours'")
    world.execute("UPDATE comity.job SET next_at = now()")
    relay.step(0.15)
    assert world.rows("SELECT * FROM comity.presence") == []


def test_a_relay_starts_a_sender_when_something_is_due(world: World, relay: Relay) -> None:
    """And not before: a service that tells nobody has none. Nor for what is paused, disabled, or being sent."""
    made = world.request("POST", "/v1/sites/blog/webhooks", world.admin_token, {"url": "https://hooks.example/"}).json
    relay.step(0.15)
    assert not relay.sender.running
    world.published()
    for state, undo in (
        ("UPDATE comity.endpoint SET paused_until = now() + interval '1 hour'", "SET paused_until = 'epoch'"),
        ("UPDATE comity.endpoint SET enabled = false, disabled_reason = 'gone', disabled_at = now()",
         "SET enabled = true, disabled_reason = NULL, disabled_at = NULL"),
        ("UPDATE comity.endpoint SET removed_at = now()", "SET removed_at = NULL"),
    ):  # fmt: skip
        world.execute(state)
        relay.step(0.15)
        assert not relay.sender.running
        world.execute(f"UPDATE comity.endpoint {undo}")
    world.execute("UPDATE comity.delivery SET lease = id, lease_until = now() + interval '30 seconds'")
    relay.step(0.15)
    assert not relay.sender.running
    world.execute("UPDATE comity.delivery SET lease_until = now()")
    relay.step(0.15)
    assert relay.sender.running
    assert made is not None


def test_whoever_stops_a_relay_gives_it_the_time_that_its_helpers_have() -> None:
    """A message may take longer than its receiver has; then the sender ends, and then the relay."""
    assert delivery.LONGEST < SENDER_GRACE
    longest = GRACE + SENDER_GRACE  # a stand-in that was ended just before, and then the sender
    containers = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert longest < int(containers["services"]["relay"]["stop_grace_period"].removesuffix("s"))
    assert longest < Process("relay", (), {}).grace  # the supervisor's


def _alive(world: World) -> int:
    with world.app.extensions["comity"].database.connection() as connection:
        return gauges(connection).relays


def test_jobs_are_done_once_by_whoever_comes_first(world: World, relay: Relay) -> None:
    """Two relays, one job: it runs once, and is due again after its interval."""
    world.published()
    assert world.rows("SELECT count(*) FROM comity.counter_change") != [(0,)]
    relay.step(0.15)
    assert world.rows("SELECT count(*) FROM comity.counter_change") == [(0,)]
    assert world.rows("SELECT state, n FROM comity.counter") == [("published", 1)]
    assert world.rows("SELECT count(*) FROM comity.job WHERE next_at > now() AND lease_until IS NULL") == [(2,)]


def test_retention_forgets_what_is_past_its_time(world: World, relay: Relay) -> None:
    """Request keys go after a day, events after a month, ended sessions when they would have ended; comments stay."""
    world.submit("key-1")
    for nonce, hours in ((b"\1" * 16, -1), (b"\2" * 16, 1)):
        world.execute("INSERT INTO comity.ended_session VALUES (%s, now() + make_interval(hours => %s))", nonce, hours)
    world.published()
    world.execute("UPDATE comity.idempotency SET created_at = now() - interval '25 hours'")
    world.execute("UPDATE comity.outbox SET at = now() - interval '31 days'")
    relay.step(0.15)
    left = [world.rows(f"SELECT count(*) FROM comity.{table}")[0][0] for table in ("idempotency", "outbox", "decision")]
    assert left == [0, 0, 2]
    assert world.rows("SELECT nonce FROM comity.ended_session") == [(b"\2" * 16,)]


def test_retention_gets_on_under_a_time_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all of it takes too long, each turn still drops some, of every table; it is done when nothing is left."""
    world.execute(
        "INSERT INTO comity.band SELECT n, gen_random_uuid(), now() - interval '40 days' FROM generate_series(1, 200000) n"
    )
    world.execute(
        "INSERT INTO comity.idempotency (site_id, route, key, fingerprint, created_at) "
        "SELECT gen_random_uuid(), 'r', n::text, '', now() - interval '2 days' FROM generate_series(1, 10) n"
    )
    monkeypatch.setitem(database_module._SETTINGS, "relay", {"statement_timeout": "200ms"})
    database = Database(as_role(world.owner_url, "comity_relay"), "relay", 1)
    left = [200_000]
    while left[-1]:
        world.execute("UPDATE comity.job SET next_at = now() + (name <> 'retention')::int * interval '1 hour'")
        assert jobs.run_due(database) == "retention"
        left += world.rows("SELECT count(*) FROM comity.band")[0]
        assert left[-1] < left[-2]
        assert world.rows("SELECT count(*) FROM comity.idempotency") == [(0,)]
        done = world.rows(
            "SELECT done_at IS NOT NULL, next_at > now() + '1 min' FROM comity.job WHERE name = 'retention'"
        )
        assert done in ([(False, False)], [(True, True)])
        assert done == [(False, False)] or not left[-1]
    database.close()


def test_a_job_that_somebody_holds_up_is_named(world: World, relay: Relay, capsys: pytest.CaptureFixture[str]) -> None:
    """The database is there: the relay comes round, and says which job came to nothing."""
    world.execute("UPDATE comity.job SET next_at = now() + (name <> 'sum_counters')::int * interval '1 hour'")
    with psycopg.connect(world.owner_url) as holder:
        holder.execute("LOCK TABLE comity.counter_change")
        relay.step(0.15)
    said = capsys.readouterr().out
    assert [word in said for word in ("job_failed", "sum_counters", "Busy")] == [True, True, True]


def test_a_worker_that_hears_nothing_is_deaf() -> None:
    """Work was due for twenty seconds, or a relay does it, and no worker claimed."""
    assert not deaf(BUSY)
    assert not deaf(replace(BUSY, due=False, worker=3600.0))  # nothing to do is no deafness
    assert not deaf(replace(BUSY, delay=5.0, worker=3600.0))  # due just now, after a quiet hour
    assert deaf(replace(BUSY, delay=21.0, worker=21.0))
    assert deaf(replace(BUSY, due=False, worker=25.0, relay=1.0))  # relays have done the work since
    assert not deaf(replace(BUSY, due=False, worker=15.0, relay=1.0))
    assert not deaf(replace(BUSY, due=False, worker=3600.0, relay=3500.0))  # an outage long ago, and quiet since
