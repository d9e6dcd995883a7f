"""Progress is watched: whatever of workers and relays is deaf or away, verdicts come."""

import time
from collections.abc import Iterator

import pytest

from tests.faults.house import House, house, wait_for

DECIDED, REPLACED = 10.0, 45.0  # seconds at most: until a comment is decided, and until a deaf worker ends


@pytest.fixture(scope="module")
def running() -> Iterator[House]:
    """A web process, a worker and three relays; the worker has claimed."""
    with house(web={}, worker={}, relay_1={}, relay_2={}, relay_3={}) as made:
        wait_for(lambda: _worker_claimed(made), 40, "the worker claims")
        yield made


def _worker_claimed(place: House) -> bool:
    place.settled(place.submit(), 20)
    return bool(place.rows("SELECT FROM comity.pulse WHERE process LIKE 'worker:%'"))


def test_all_relays_but_one_may_die(running: House) -> None:
    """The one that is left finds what no ring tells of: each comment is decided soon."""
    for name in ("relay_1", "relay_2"):
        running.kill(name)
    ids, began = [], time.monotonic()
    for _ in range(5):
        ids += running.submit(4)
        running.servers.broker_command("FLUSHALL")
    running.settled(ids, DECIDED)
    print(f"one relay of three: {len(ids)} comments whose rings vanished, decided {time.monotonic() - began:.1f} s in")
    assert running.rows("SELECT count(*) FROM comity.presence WHERE seen_at > now() - interval '5 seconds'") >= [(1,)]


def test_a_deaf_worker_costs_little_and_is_replaced(running: House) -> None:
    """It hears rings and does nothing: the relay works after five seconds; the worker ends itself; the next one works."""
    running.kill("worker")
    ready = running.logged("child_ready")
    running.start("worker", COMITY_FAILPOINTS="heard=raise")
    wait_for(lambda: running.logged("child_ready") == ready + 2, 30, "it is there")
    began, waited = time.monotonic(), []

    def ended() -> bool:
        waited.append(running.settled(running.submit(), DECIDED))
        return running.processes["worker"].poll() is not None

    wait_for(ended, REPLACED, "the deaf worker has ended")
    replaced = time.monotonic() - began
    print(f"a deaf worker: the slowest verdict took {max(waited):.1f} s, it ended after {replaced:.1f} s")
    assert running.logged("worker_deaf") == 1
    running.revive("worker")
    wait_for(lambda: _claims_again(running), 30, "the next worker claims")
    running.check_history()


def _claims_again(place: House) -> bool:
    place.settled(place.submit(), DECIDED)
    recently = "SELECT FROM comity.pulse WHERE process LIKE 'worker:%' AND claimed_at > now() - interval '2 seconds'"
    return bool(place.rows(recently))


def test_no_two_processes_share_a_connection(running: House) -> None:
    """Each made its own after it was forked: every connection bears the number of the process that uses it."""
    running.settled(running.submit(5), 30)
    rows = running.rows(
        "SELECT split_part(application_name, ' ', 3)::int, array_agg(pid) FROM pg_stat_activity "
        "WHERE application_name ~ '^comity (web|worker|relay) [0-9]+$' AND usename LIKE 'comity_%%' GROUP BY 1"
    )
    mine = {one.pid for name in running.processes for one in (running.children(name))}
    mine |= {process.pid for process in running.processes.values()}
    assert {pid for pid, _ in rows} <= mine
    parents = {running.processes[name].pid for name in ("web", "worker")}
    assert not parents & {pid for pid, _ in rows}, "a process that forks holds a connection"
    web = {one.pid for one in running.children("web")}
    assert web & {pid for pid, _ in rows}
