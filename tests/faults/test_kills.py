"""Killed, frozen and poisoned processes: nothing is lost, nothing is decided twice."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import psutil
import psycopg
import pytest

from service.preflight import EX_CONFIG
from tests.faults.house import GO, House, house, wait_for

POISON = "poison-4f2a"
TINY = Path(__file__).parents[1] / "classifier" / "tiny.tier2"


@pytest.fixture(scope="module")
def servers_only() -> Iterator[House]:
    """Servers, and no process yet."""
    with house() as made:
        yield made


@pytest.fixture
def empty(servers_only: House) -> Iterator[House]:
    """The same for each test, without comments and without processes of the service."""
    servers_only.reset()
    yield servers_only
    servers_only.reset()


def test_comments_survive_the_kill_of_any_process(empty: House) -> None:
    """While worker, its children and relays are killed again and again, every accepted comment is decided once."""
    dice = random.Random(7)
    empty.start("web")
    names = ("worker", "relay_1", "relay_2")
    for name in names:
        empty.start(name, name.partition("_")[0])
    ids = []
    for round_number in range(12):
        ids += empty.submit(25)
        victim = names[round_number % 3]
        below = empty.children(victim)
        if victim == "worker" and below and round_number % 2:
            dice.choice(below).kill()
            continue
        empty.kill(victim)
        empty.start(victim, victim.partition("_")[0])
    empty.settled(ids, 20)
    assert sum(empty.states(ids).values()) == len(ids)
    empty.check_history()


def test_a_web_process_killed_after_commit_has_taken_the_comment(empty: House) -> None:
    """The client that got no answer sends the same key again and gets the one comment."""
    empty.start("web", COMITY_FAILPOINTS="committed=kill")
    key = str(uuid4())
    with pytest.raises(OSError):
        empty.send(key, body="Sent twice, taken once.")
    empty.kill("web")
    empty.start("web")
    status, answer = empty.send(key, body="Sent twice, taken once.", email="same@leak.example")
    assert status == 422  # another body under the same key: the first one was kept
    assert empty.rows("SELECT body FROM comity.comment") == [("Sent twice, taken once.",)]
    assert "id" not in answer


def test_a_web_process_killed_before_commit_has_taken_nothing(empty: House) -> None:
    """It dies while the database works on the comment; the same key again, twice, makes the one comment."""
    empty.start("web")
    key, members = str(uuid4()), {"body": "Not taken at first.", "email": "same@leak.example"}
    with psycopg.connect(empty.servers.owner_url) as connection, ThreadPoolExecutor(1) as pool:
        connection.execute("LOCK TABLE comity.thread")
        answer = pool.submit(empty.send, key, **members)
        wait_for(lambda: _stores(empty), 10, "the comment is being stored")
        empty.kill("web")
        with pytest.raises(OSError):
            answer.result()
        wait_for(lambda: not _stores(empty), 10, "the database has given it up")
    assert empty.rows("SELECT count(*) FROM comity.comment") == [(0,)]
    empty.start("web")
    again = [empty.send(key, **members) for _ in range(2)]
    assert [status for status, _ in again] == [202, 202]
    assert again[0][1]["id"] == again[1][1]["id"]
    assert empty.rows("SELECT count(*) FROM comity.comment") == [(1,)]


def _stores(house: House) -> bool:
    """Whether a connection of a web process waits for a lock; others do not see that."""
    with psycopg.connect(house.servers.superuser_url) as connection:
        waits = "SELECT FROM pg_stat_activity WHERE usename = 'comity_web' AND wait_event_type = 'Lock'"
        return bool(connection.execute(waits).fetchall())


def test_a_poisonous_comment_ends_with_a_human(empty: House) -> None:
    """A text that kills every process that reads it is flagged in the end, and the others pass meanwhile."""
    empty.start("web")
    empty.start("worker", COMITY_FAILPOINTS=f"scoring=kill@{POISON}")
    bad = empty.submit(1, body=f"This is {POISON}.")
    good = empty.submit(30)
    empty.start("relay_1", "relay", COMITY_FAILPOINTS=f"scoring=kill@{POISON}")
    wait_for(lambda: "pending" not in empty.states(good), 30, "harmless comments pass")
    assert empty.states(good) == {"published": 30}

    def revive() -> bool:
        if empty.processes["relay_1"].poll() is not None:
            empty.kill("relay_1")
            empty.start("relay_1", "relay", COMITY_FAILPOINTS=f"scoring=kill@{POISON}")
        # The first claim of the dead runs out by itself; the later ones, a second old, are ended here to save the wait.
        empty.execute(
            "UPDATE comity.claim SET until = now() "
            "WHERE comments = ARRAY[%s]::uuid[] AND until BETWEEN now() AND now() + interval '5 seconds'",
            bad[0],
        )
        return empty.states(bad) == {"flagged": 1}

    wait_for(revive, 60, "the poisonous comment is flagged")
    decided = empty.rows("SELECT rule, reason FROM comity.decision WHERE comment_id = %s", bad[0])
    assert decided == [("tried_too_often", "no_score")]
    empty.check_history()


def test_a_comment_on_which_a_stand_in_hangs_ends_with_a_human(empty: House) -> None:
    """Without a worker: the one that hangs is ended, its claim with it, the others pass, and a human reads the text."""
    empty.start("web")
    bad = empty.submit(1, body=f"This is {POISON}.")
    good = empty.submit(50)
    for name in ("relay_1", "relay_2"):
        empty.start(name, "relay", COMITY_FAILPOINTS=f"scoring=sleep:3600@{POISON}")
    wait_for(lambda: "pending" not in empty.states(good), 60, "harmless comments pass")
    assert empty.states(good) == {"published": 50}
    wait_for(lambda: empty.logged("helper_ended") >= 1, 30, "the stand-in that hung was ended")
    empty.execute("UPDATE comity.comment SET attempts = 5 WHERE id = %s", bad[0])  # to save the wait for four more
    empty.settled(bad, 60)
    assert empty.rows("SELECT rule FROM comity.decision WHERE comment_id = %s", bad[0]) == [("tried_too_often",)]
    empty.check_history()


def test_a_worker_that_wakes_after_its_lease_changes_nothing(empty: House) -> None:
    """Frozen between judging and deciding, overtaken by another, and woken: its late decision is passed over."""
    empty.start("web")
    empty.start("worker_1", "worker", COMITY_FAILPOINTS="judged=stop", COMITY_WORKER_CONCURRENCY="1")
    wait_for(lambda: empty.logged("child_ready") == 1, 20, "the first worker is ready")
    ids = empty.submit(10)
    wait_for(lambda: _stopped(empty) is not None, 20, "the first worker froze in the middle of a batch")
    empty.start("worker_2", "worker")
    empty.start("relay_1", "relay")
    empty.settled(ids, 20)
    frozen = _stopped(empty)
    assert frozen is not None
    frozen.send_signal(GO)
    wait_for(lambda: empty.logged("decided") >= 2, 20, "the woken worker tried to decide")
    empty.check_history()


def _stopped(house: House) -> psutil.Process | None:
    """The frozen child of the first worker."""
    return next((one for one in house.children("worker_1") if one.status() == psutil.STATUS_STOPPED), None)


def test_without_a_model_everything_waits_for_a_human(empty: House) -> None:
    """A worker with a model file that does not load is refused; a relay's stand-in publishes nothing unread."""
    altered = empty.folder / "altered.model"
    altered.write_bytes(b"not a model")
    empty.start("web")
    empty.start("worker", COMITY_MODEL=str(altered))
    empty.start("relay_1", "relay", COMITY_MODEL=str(altered))
    assert empty.processes["worker"].wait(20) == EX_CONFIG
    ids = empty.submit(5)
    empty.settled(ids, 20)
    assert empty.states(ids) == {"flagged": 5}
    assert empty.rows("SELECT DISTINCT rule FROM comity.decision") == [("no_score",)]


def test_a_damaged_second_tier_never_publishes_in_doubt(empty: House) -> None:
    """Workers find a second tier by its path and ask it; one that was cut short they refuse, and a human reads."""
    empty.start("web")
    empty.start("worker", COMITY_TIER2_MODEL=str(TINY), COMITY_TIER2_BAND="0-1")
    ids = empty.submit(5)
    empty.settled(ids, 20)
    assert empty.states(ids) == {"published": 5}
    versions = empty.rows("SELECT DISTINCT model, saw->'tiers'->>'second' FROM comity.decision")
    assert [(model.endswith(f"+{second}"), second.startswith("tiny-")) for model, second in versions] == [(True, True)]
    empty.kill("worker")
    cut = empty.folder / TINY.name
    cut.write_bytes(TINY.read_bytes()[:-1])
    cut.with_name(f"{cut.name}.sha256").write_bytes(TINY.with_name(f"{TINY.name}.sha256").read_bytes())
    empty.start("worker", COMITY_TIER2_MODEL=str(cut), COMITY_TIER2_BAND="0-1")
    ids = empty.submit(5)
    empty.settled(ids, 20)
    assert empty.states(ids) == {"flagged": 5}
    assert empty.rows("SELECT DISTINCT rule FROM comity.decision WHERE to_state = 'flagged'") == [("no_second_look",)]
    assert empty.logged("second_tier_refused") >= 1
