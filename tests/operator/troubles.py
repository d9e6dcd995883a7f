"""The troubles that alerts tell of, made for real in a service of real processes, one after the other."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.faults.house import House, free_port, house, wait_for
from tests.operator.scrapes import Scrapes

FOREIGN = "이 기사는 정말 유익하고 재미있었습니다. 좋은 글을 써 주셔서 감사합니다. 다음 글도 기대하겠습니다."


@dataclass
class Watched:
    """A service with figures."""

    house: House
    port: int

    def scrapes(self) -> Scrapes:
        """A new memory of its figures."""
        return Scrapes(f"http://127.0.0.1:{self.port}/metrics")

    def web(self, **environ: str) -> None:
        """Start the web process anew."""
        self.house.kill("web")
        self.house.start("web", COMITY_METRICS_PORT=str(self.port), **environ)

    def execute(self, statement: str) -> None:
        """Change something behind everybody's back, as the owner."""
        with psycopg.connect(self.house.servers.owner_url, autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def watched() -> Iterator[Watched]:
    """Web, worker and two relays, at work."""
    with house(worker={}, relay_1={}, relay_2={}) as made:
        found = Watched(made, free_port())
        found.web()
        wait_for(lambda: made.logged("child_ready") == 2, 30, "the worker is ready")
        made.settled(made.submit(3), 20)
        wait_for(lambda: _worker_claims(made), 30, "the worker claims")
        yield found


def _worker_claims(house: House) -> bool:
    house.settled(house.submit(), 20)
    last = house.rows("SELECT process FROM comity.pulse ORDER BY claimed_at DESC LIMIT 1")
    return bool(last[0][0].startswith("worker"))


@contextmanager
def moderators_away(seen: Watched) -> Iterator[None]:
    """A flagged comment of two days ago, and a long queue."""
    ids = seen.house.submit(body=FOREIGN)
    seen.house.settled(ids, 20)
    assert seen.house.states(ids) == {"flagged": 1}
    seen.execute("UPDATE comity.comment SET created_at = created_at - interval '2 days' WHERE state = 'flagged'")
    change = "INSERT INTO comity.counter_change SELECT id, 'flagged', '', {} FROM comity.site"
    seen.execute(change.format(1500))
    yield
    seen.execute("UPDATE comity.comment SET created_at = now() WHERE state = 'flagged'")
    seen.execute(change.format(-1500))


@contextmanager
def broker_frozen(seen: Watched) -> Iterator[None]:
    """The broker takes connections and answers nothing."""
    seen.house.servers.valkey.pause()
    try:
        yield
    finally:
        seen.house.servers.valkey.resume()


_ENDPOINT = (
    "INSERT INTO comity.endpoint (id, site_id, url, description, events, scores, {columns}) "
    "SELECT gen_random_uuid(), id, {url}, '', '{{comment.*}}', false, {values} FROM comity.site"
)


@contextmanager
def receivers_away(seen: Watched) -> Iterator[None]:
    """An endpoint that has only failed for hours, and one that said that it is gone."""
    failing, gone = "failing_since, paused_until", "enabled, disabled_reason, disabled_at"
    hours = "now() - interval '2 hours', now() + interval '1 hour'"
    seen.execute(_ENDPOINT.format(columns=failing, url="'https://one.example/'", values=hours))
    seen.execute(_ENDPOINT.format(columns=gone, url="'https://two.example/'", values="false, 'gone', now()"))
    yield
    seen.execute("DELETE FROM comity.endpoint")


@contextmanager
def nobody_sends(seen: Watched) -> Iterator[None]:
    """Relays that were not given the key by which messages are signed, and one that is due."""
    for name in ("relay_1", "relay_2"):
        seen.house.kill(name)
        seen.house.start(name, "relay", COMITY_SECRET_KEY="")
    seen.execute(_ENDPOINT.format(columns="enabled", url="'https://one.example/'", values="true"))
    seen.execute(
        "INSERT INTO comity.delivery (id, endpoint_id, event_id, event, scores, due_at) "
        "SELECT id, id, id, 'endpoint.test', false, now() - interval '90 seconds' FROM comity.endpoint"
    )
    yield
    seen.execute("DELETE FROM comity.delivery")
    seen.execute("DELETE FROM comity.endpoint")
    for name in ("relay_1", "relay_2"):
        seen.house.kill(name)
        seen.house.start(name, "relay")


@contextmanager
def queue_full(seen: Watched) -> Iterator[None]:
    """As many comments of a site wait as may; nobody is late, since none of them is due yet."""
    seen.web(COMITY_PENDING_SITE="2")
    seen.execute(
        "INSERT INTO comity.comment (id, site_id, thread_id, root_id, name, body, digest, due_at) "
        "SELECT id, site_id, thread_id, id, 'Ann', 'Made by a test.', digest, now() + interval '1 hour' "
        "FROM (SELECT gen_random_uuid() AS id, site_id, thread_id, digest FROM comity.comment, generate_series(1, 3) "
        "LIMIT 3) AS made"
    )
    wait_for(lambda: seen.house.send()[0] == 429, 10, "a comment is refused")
    yield
    seen.execute("DELETE FROM comity.comment WHERE due_at > now() + interval '1 minute'")
    seen.web()


@contextmanager
def worker_dead(seen: Watched) -> Iterator[None]:
    """No worker; a relay's stand-in judges. Left so for the next trouble."""
    seen.house.kill("worker")
    seen.house.settled(seen.house.submit(3), 30)
    yield
    seen.execute("DELETE FROM comity.pulse")


@contextmanager
def nobody_judges(seen: Watched) -> Iterator[None]:
    """No worker, no relay, a broker that is full, and more comments than anybody takes; their time has passed."""
    for name in ("relay_1", "relay_2"):
        seen.house.kill(name)
    seen.house.servers.broker_command("FLUSHALL")  # while enough rings wait, no more are sent, and none fails
    seen.house.servers.broker_command("CONFIG", "SET", "maxmemory", "1")
    for _ in range(8):
        seen.house.submit()
        time.sleep(0.1)  # so that each is a ring of its own
    seen.execute("UPDATE comity.presence SET seen_at = seen_at - interval '20 seconds'")
    seen.execute("UPDATE comity.job SET next_at = next_at - interval '10 minutes'")
    seen.execute(
        "INSERT INTO comity.comment (id, site_id, thread_id, root_id, name, body, digest, due_at) "
        "SELECT id, site_id, thread_id, id, 'Ann', 'Made by a test.', digest, now() - interval '15 seconds' "
        "FROM (SELECT gen_random_uuid() AS id, site_id, thread_id, digest FROM comity.comment, generate_series(1, 600) "
        "LIMIT 600) AS made"
    )
    yield
    seen.execute("DELETE FROM comity.comment WHERE state = 'pending'")
    seen.house.servers.broker_command("CONFIG", "SET", "maxmemory", "64mb")
    for name in ("relay_1", "relay_2"):
        seen.house.start(name, "relay")


@contextmanager
def model_refused(seen: Watched) -> Iterator[None]:
    """A model file is altered: the worker does not start, and a relay's stand-in sends everything to moderators."""
    altered = Path(seen.house.folder / "altered.model")
    altered.write_bytes(b"not a model")
    seen.house.kill("worker")
    _relays(seen, COMITY_MODEL=str(altered))
    seen.house.settled(seen.house.submit(3), 20)
    yield
    seen.execute("UPDATE comity.comment SET created_at = now() - interval '1 hour' WHERE reason = 'no_score'")
    _relays(seen)
    seen.execute("DELETE FROM comity.pulse")
    seen.house.start("worker")


def _relays(seen: Watched, **environ: str) -> None:
    for name in ("relay_1", "relay_2"):
        seen.house.kill(name)
        seen.house.start(name, "relay", **environ)


@contextmanager
def database_slow(seen: Watched) -> Iterator[None]:
    """A comment waits more than a second for a lock."""
    with psycopg.connect(seen.house.servers.owner_url) as connection:
        connection.execute("LOCK TABLE comity.thread")
        waiting = threading.Thread(target=seen.house.submit)
        waiting.start()
        time.sleep(1.3)
    waiting.join()
    yield


@contextmanager
def web_faulty(seen: Watched) -> Iterator[None]:
    """A web process with a fault of ours."""
    seen.web(COMITY_FAILPOINTS="committed=raise")
    assert seen.house.send()[0] == 500
    yield


@contextmanager
def database_away(seen: Watched) -> Iterator[None]:
    """PostgreSQL is killed while comments come in; each waits two seconds for a connection."""
    seen.house.servers.postgres.kill()
    try:
        assert {seen.house.send()[0] for _ in range(2)} == {503}
        yield
    finally:
        seen.house.servers.postgres.start()


@contextmanager
def key_differs(seen: Watched) -> Iterator[None]:
    """A web process that was given a fresh index key, and could not ask the database when it started."""
    seen.house.kill("web")
    other = "33cc" * 4 + "".join(f"{n:02x}" for n in range(50, 74))
    ready = seen.house.logged("web_ready")
    seen.house.servers.postgres.kill()
    seen.house.start("web", wait=False, COMITY_METRICS_PORT=str(seen.port), COMITY_INDEX_KEY=other)
    wait_for(lambda: seen.house.logged("web_ready") > ready, 20, "the web process serves")
    seen.house.servers.postgres.start()
    yield
    seen.house.kill("web")
    seen.web()


@contextmanager
def web_dead(seen: Watched) -> Iterator[None]:
    """Nothing answers there."""
    seen.house.kill("web")
    yield


@dataclass(frozen=True)
class Trouble:
    """What is done to a service, and the alerts, without `Comity`, that tell of it: these and no others."""

    make: Callable[[Watched], AbstractContextManager[None]]
    alerts: frozenset[str]

    def fires(self, seen: Watched) -> Scrapes:
        """Make the trouble, and mend it; the scrapes from before to when its alerts fired. Fails if others do."""
        scrapes = seen.scrapes()
        _until(scrapes, frozenset(), f"well before {self.make.__name__}")
        with self.make(seen):
            _until(scrapes, self.alerts, f"alerted of {self.make.__name__}")
        return scrapes


def _until(scrapes: Scrapes, alerts: frozenset[str], what: str) -> None:
    wanted, found, until = {f"Comity{name}" for name in alerts}, {""}, time.monotonic() + 25
    while found != wanted:
        assert time.monotonic() < until, f"{what}: {sorted(found)} instead of {sorted(wanted)}"
        scrapes.scrape()
        found = scrapes.firing()


#: In this order each can begin where the one before ended.
TROUBLES = tuple(
    Trouble(make, frozenset(alerts.split()))
    for make, alerts in (
        (moderators_away, "ModerationLate ModerationQueueLong"),
        (receivers_away, "WebhookFailing WebhookDisabled"),
        (nobody_sends, "WebhooksLate"),
        (broker_frozen, "BrokerAway"),
        (database_slow, "Slow"),
        (queue_full, "Full"),
        (worker_dead, "StandInWorks"),
        (nobody_judges, "VerdictsOverdue QueueGrowing RelayMissing BrokerAway JobsLate"),
        (model_refused, "Unscored StandInWorks"),
        (web_faulty, "Failing"),
        (database_away, "DatabaseAway Refusing Slow"),
        (key_differs, "IndexKeyDiffers"),
        (web_dead, "WebAway"),
    )
)
