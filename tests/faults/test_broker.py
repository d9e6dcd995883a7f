"""Whatever happens to the broker, comments are taken in at once and decided soon."""

import os
import time
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.rows import namedtuple_row

from service.ring import MOST_WAITING, Bell
from service.store import sites
from tests.faults.house import House, house, wait_for
from tests.lab import nemeses

FULL = bool(os.environ.get("COMITY_TEST_FULL"))
RELAY_TAKES_OVER = 10.0  # seconds: 5 of patience, and the work


@pytest.fixture(scope="module")
def running() -> Iterator[House]:
    """One web, one worker, two relays."""
    with house(web={}, worker={}, relay_1={}, relay_2={}) as made:
        made.settled(made.submit(5), 20)
        yield made


def _taken_quickly(house: House, count: int) -> list[str]:
    """Comments that are taken in while the broker is in trouble, none of them slowly."""
    ids = []
    for _ in range(count):
        began = time.monotonic()
        ids += house.submit()
        assert time.monotonic() - began < 1.0
    return ids


def test_a_dead_broker_is_no_matter(running: House) -> None:
    """Comments are accepted without a broker, decided by a relay and by moderators; by the worker once it is back."""
    token = _moderator(running)
    running.servers.valkey.kill()
    try:
        ids = _taken_quickly(running, 20)
        running.settled(ids, RELAY_TAKES_OVER)
        path = f"/v1/comments/{ids[0]}"
        status, seen, _ = running.client.request("GET", f"{path}/review", token)
        assert status == 200, seen
        body = {"action": "reject", "reason": "other", "version": seen["version"]}
        status, answer, _ = running.client.request("POST", f"{path}/decisions", token, body)
        assert status == 200, answer
    finally:
        running.servers.valkey.start()
    running.settled(running.submit(20), RELAY_TAKES_OVER)
    assert running.states(ids[:1]) == {"rejected": 1}
    running.check_history()


def _moderator(house: House) -> str:
    """The token of a moderator of the site."""
    with psycopg.connect(house.servers.owner_url, row_factory=namedtuple_row) as connection:
        site = sites.site_named(connection, "blog")
        return sites.add_moderator(connection, "moderator", {site.id: "moderator"}, None)[1]


def test_a_frozen_broker_is_no_matter(running: House) -> None:
    """A broker that takes connections and answers nothing holds up neither requests nor moderation."""
    running.servers.valkey.pause()
    try:
        running.settled(_taken_quickly(running, 20), RELAY_TAKES_OVER)
    finally:
        running.servers.valkey.resume()
    running.settled(running.submit(20), RELAY_TAKES_OVER)
    running.check_history()


def test_a_ring_returns_soon_from_a_frozen_broker(running: House) -> None:
    """Ringing never hangs: 1.2 s at most, where a default producer waits for ever."""
    running.servers.valkey.pause()
    try:
        bell = Bell(running.servers.broker_url)
        began = time.monotonic()
        assert bell.ring() is False
        assert time.monotonic() - began < 1.2
    finally:
        running.servers.valkey.resume()


def test_an_emptied_broker_is_no_matter(running: House) -> None:
    """Everything in the broker may vanish at any time."""
    ids = []
    for _ in range(10):
        ids += running.submit(5)
        running.servers.broker_command("FLUSHALL")
    running.settled(ids, RELAY_TAKES_OVER)
    running.check_history()


def test_a_full_broker_is_no_matter(running: House) -> None:
    """A broker that refuses every write only loses rings."""
    running.servers.broker_command("CONFIG", "SET", "maxmemory", "1")
    try:
        running.settled(_taken_quickly(running, 20), RELAY_TAKES_OVER)
    finally:
        running.servers.broker_command("CONFIG", "SET", "maxmemory", "64mb")
    running.settled(running.submit(5), RELAY_TAKES_OVER)
    running.check_history()


def test_stray_rings_change_nothing(running: House) -> None:
    """Ten thousand rings without work (a tenth of it in a hurry) leave every row as it was."""
    wait_for(lambda: _worker_claims(running), 90, "the worker found the broker again")
    before = running.rows("SELECT id, xmin::text FROM comity.comment ORDER BY id")
    bell = Bell(running.servers.broker_url)
    while bell.sent < (10_000 if FULL else 1000):
        assert bell.ring()
    wait_for(lambda: bell.waiting() == 0, 120, "the worker heard all rings")
    assert running.rows("SELECT id, xmin::text FROM comity.comment ORDER BY id") == before


def test_rings_that_nobody_hears_do_not_pile_up(running: House) -> None:
    """However long no worker listens, a few rings wait for it."""
    running.kill("worker")
    bell = Bell(running.servers.broker_url)
    for _ in range(MOST_WAITING * 3):
        assert bell.ring()
    running.settled(running.submit(5), RELAY_TAKES_OVER)
    waiting = bell.waiting()
    assert waiting is not None
    assert MOST_WAITING <= waiting <= MOST_WAITING + 3  # web and two relays may each have looked before another rang
    running.start("worker")
    wait_for(lambda: bell.waiting() == 0, 30, "the worker heard all rings")


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_worker_whose_clock_is_wrong_hears_rings(running: House, hours: int) -> None:
    """Nothing compares the clocks of two machines: the worker judges, not a relay in its place."""
    running.kill("worker")
    running.execute("DELETE FROM comity.pulse")  # what the one before it claimed says nothing
    running.start("worker", **nemeses.clock(hours))
    wait_for(lambda: _worker_claims(running), 60, "the worker judges")


def _worker_claims(house: House) -> bool:
    """Whether it is the worker that judges.

    After an outage Celery may wait half a minute before it looks again; one that went deaf ends itself after that.
    """
    house.revive("worker")
    house.settled(house.submit(), RELAY_TAKES_OVER)
    recently = "SELECT FROM comity.pulse WHERE process LIKE 'worker:%' AND claimed_at > now() - interval '2 seconds'"
    return bool(house.rows(recently))
