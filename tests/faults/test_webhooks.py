"""Senders as relays start them: killed at every place, without a broker, without a key."""

from collections.abc import Iterator

import psycopg
import pytest

from service import webhooks
from service.outbound.guard import Guard
from service.settings import Settings
from service.store import sites
from tests import world as worlds
from tests.faults import house as faults
from tests.faults.house import House, wait_for
from tests.receiver import Receiver, verify

ANY_PORT = tuple(range(1, 65536))


@pytest.fixture(scope="module")
def shared() -> Iterator[House]:
    """Web and worker for all tests; each starts its own relays."""
    with faults.house(web={}, worker={}) as made:
        yield made


@pytest.fixture
def house(shared: House) -> House:
    """It, empty and without relays."""
    for name in [name for name in shared.processes if name.startswith("relay")]:
        shared.kill(name)
    shared.forget()
    return shared


def endpoint(house: House, receiver: Receiver) -> str:
    """An endpoint of the site that leads to this receiver; its secret."""
    url = house.servers.owner_url
    settings = Settings.read(worlds.environment(url, house.servers.broker_url), "web")
    asked = {"url": receiver.url, "description": "", "events": ["comment.*"], "scores": False, "enabled": True}
    with psycopg.connect(url, row_factory=psycopg.rows.namedtuple_row) as connection:
        site = sites.site_named(connection, "blog")
        guard, vault = Guard(("127.0.0.0/8",), True, ANY_PORT), webhooks.vault_of(settings.keys)
        return webhooks.make(connection, vault, guard, site.id, asked, None)[1]


def relay(house: House, receiver: Receiver, name: str, **environ: str) -> None:
    """A relay whose sender may reach this receiver."""
    port = receiver.url.rpartition(":")[2].partition("/")[0]
    allowed = {"COMITY_WEBHOOK_NETWORKS": "127.0.0.1/32", "COMITY_WEBHOOK_HTTP": "yes", "COMITY_WEBHOOK_PORTS": port}
    house.start(name, "relay", **{**allowed, **environ})


def delivered(house: House, count: int) -> bool:
    """Whether so many deliveries are on record as delivered, and none as anything else."""
    return house.rows("SELECT state, count(*) FROM comity.delivery GROUP BY 1") == [("delivered", count)]


def expire(house: House) -> None:
    """What a dead sender held is free: its time is up."""
    house.execute("UPDATE comity.delivery SET lease_until = now() WHERE lease IS NOT NULL")


@pytest.mark.parametrize("place", ["delivery_claimed", "sending", "sent"])
def test_whatever_a_sender_dies_of_it_is_told(house: House, place: str) -> None:
    """A message that was sent and not recorded comes again under the same id, in the same bytes, signed anew."""
    with Receiver() as receiver:
        secret = endpoint(house, receiver)
        relay(house, receiver, "relay_1", COMITY_FAILPOINTS=f"{place}=kill")
        house.settled(house.submit(3), 30)
        held = "SELECT FROM comity.delivery WHERE lease IS NOT NULL"
        wait_for(lambda: bool(house.rows(held)), 20, "a sender claimed")
        wait_for(lambda: not house.children("relay_1"), 10, "and died")
        house.kill("relay_1")
        assert house.rows("SELECT * FROM comity.attempt") == []
        first = list(receiver.messages)
        assert bool(first) is (place == "sent")

        expire(house)
        relay(house, receiver, "relay_2")
        wait_for(lambda: delivered(house, 3), 20, "all is told")
    bodies = {message.id: message.body for message in receiver.messages}
    assert len(bodies) == 3
    assert all(bodies[message.id] == message.body for message in first)
    assert all(verify(message, [secret]) == [0] for message in receiver.messages)
    assert len(receiver.messages) == 3 + len(first)


def test_two_senders_killed_again_and_again_lose_nothing(house: House) -> None:
    """Every decision is told, and every message of one id has the same bytes."""
    with Receiver(lambda _: (204, {}, 0.005)) as receiver:
        endpoint(house, receiver)
        for name in ("relay_1", "relay_2"):
            relay(house, receiver, name)
        ids = house.submit(60)
        for turn in range(3):
            wait_for(lambda turn=turn: len(receiver.messages) > turn * 10, 30, "messages arrive")  # type: ignore[misc]
            for name in ("relay_1", "relay_2"):
                house.kill(name)
                expire(house)
                relay(house, receiver, name)
        house.settled(ids, 30)
        wait_for(lambda: expire(house) or delivered(house, 60), 40, "all is told")
    assert len(set(receiver.ids)) == 60
    assert len({(message.id, message.body) for message in receiver.messages}) == 60
    house.check_history()


def test_without_a_broker_it_is_told_all_the_same(house: House) -> None:
    """Neither relay nor sender needs one; a moderator's decision is told while it is frozen."""
    with Receiver() as receiver:
        endpoint(house, receiver)
        relay(house, receiver, "relay_1")
        house.settled(house.submit(2), 30)
        wait_for(lambda: delivered(house, 2), 20, "both are told")
        house.servers.valkey.pause()
        try:
            for comment_id, version in house.rows("SELECT id, version FROM comity.comment"):
                withdraw = house.client.request("DELETE", f"/v1/comments/{comment_id}", house.key)
                assert withdraw[0] == 200, (withdraw, version)
            wait_for(lambda: delivered(house, 4), 20, "all are told")
        finally:
            house.servers.valkey.resume()


def test_without_endpoints_no_sender_runs(house: House) -> None:
    """Comments are decided, and the relay has no process below it; one that has no key says so."""
    with Receiver() as receiver:
        relay(house, receiver, "relay_1", COMITY_SECRET_KEY="")
        house.settled(house.submit(3), 30)
        assert house.children("relay_1") == []
        endpoint(house, receiver)
        house.settled(house.submit(1), 30)
        wait_for(lambda: house.logged("sender_without_key") > 0, 20, "it says that it has no key")
        assert house.rows("SELECT state, attempts FROM comity.delivery") == [("pending", 0)]


def test_a_sender_dies_with_its_relay(house: House) -> None:
    """So that none is left that nobody stops."""
    with Receiver() as receiver:
        endpoint(house, receiver)
        relay(house, receiver, "relay_1")
        house.settled(house.submit(1), 30)
        wait_for(lambda: delivered(house, 1), 20, "it is told")
        (sender,) = house.children("relay_1")
        house.processes.pop("relay_1").kill()
        wait_for(lambda: not sender.is_running() or sender.status() == "zombie", 10, "the sender is gone")


def test_a_relay_that_is_stopped_lets_its_sender_finish(house: House) -> None:
    """A receiver may take fifteen seconds: what is on its way arrives once, and is on record."""
    with Receiver(lambda _: (204, {}, 12.0)) as receiver:
        endpoint(house, receiver)
        relay(house, receiver, "relay_1")
        house.settled(house.submit(1), 30)
        wait_for(lambda: bool(receiver.messages), 20, "it is being sent")
        house.stop("relay_1")
        assert delivered(house, 1)
    assert len(receiver.messages) == 1
    assert house.rows("SELECT number, status FROM comity.attempt") == [(1, 204)]
