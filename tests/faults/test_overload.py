"""More comes in than is judged: what was accepted is decided, the rest is told to come back, and nothing grows."""

import json
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException

import psutil
import pytest

from tests.faults.house import House, family, house, wait_for
from tools.texts import harmless

SENDERS, SECONDS = 16, 16
#: A batch of ten each tenth of a second and more: about a hundred verdicts a second, less than what is offered by far.
SLOW = {"COMITY_BATCH": "10", "COMITY_WORKER_CONCURRENCY": "1", "COMITY_FAILPOINTS": "scored=sleep:0.2"}
CAPS = {"COMITY_PENDING_SITE": "300", "COMITY_PENDING": "1000", "COMITY_LIMIT_SITE": "10000000/60"}


@pytest.fixture(scope="module")
def crowded() -> Iterator[House]:
    """A web process with small caps, and a worker that is far too slow for what comes."""
    with house(web=CAPS, worker=SLOW, relay_1={}, relay_2={}) as made:
        made.settled(made.submit(3), 30)
        yield made


class Sender(threading.Thread):
    """Sends comments one after the other over one connection until told to stop; notes each answer.

    Of twenty authors: limits remember each author for a minute, which would hide what else grows in a shorter time.
    """

    def __init__(self, place: House, number: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._place, self._number, self._stop_asked = place, number, stop
        self.accepted: list[str] = []
        self.seconds: list[float] = []
        self.answers: Counter[int] = Counter()
        self.waits: set[int] = set()

    def run(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._place.port, timeout=20)
        number = 0
        while not self._stop_asked.is_set():
            number += 1
            try:
                self._send(connection, f"{harmless(number)} {self._number}-{number}", number)
            except (HTTPException, OSError):
                self.answers[0] += 1
                connection.close()
        connection.close()

    def _send(self, connection: HTTPConnection, body: str, number: int) -> None:
        comment = {
            "thread": {"key": f"page-{self._number}"}, "name": "Ann", "body": body,
            "email": f"canary-{self._number}-{number % 20}@leak.example",
        }  # fmt: skip
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._place.key}"}
        began = time.monotonic()
        connection.request("POST", "/v1/comments", json.dumps(comment), headers)
        answer = connection.getresponse()
        content = json.loads(answer.read())
        self.answers[answer.status] += 1
        if answer.status == 202:
            self.seconds.append(time.monotonic() - began)
            self.accepted.append(content["id"])
        elif answer.status in (429, 503):
            self.waits.add(int(answer.headers["Retry-After"]))
            time.sleep(0.01)


def memory(place: House) -> int:
    """Bytes that the web process and its children have for themselves."""
    return sum(one.memory_full_info().uss for one in _alive(family(place.processes["web"].pid)))


def _alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running()]


def test_what_was_accepted_is_decided_and_the_rest_comes_back(crowded: House) -> None:
    """Many times what is judged: 202 within half a second (p99), or 429 with a wait; no other answer; memory flat."""
    stop = threading.Event()
    senders = [Sender(crowded, number, stop) for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    wait_for(lambda: sum(sender.answers[429] for sender in senders) > 0, 15, "the cap is reached")
    wait_for(lambda: sum(sum(sender.answers.values()) for sender in senders) > 8000, 30, "it is warm")
    before, most = memory(crowded), 0
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        most = max(most, crowded.rows("SELECT count(*) FROM comity.comment WHERE due_at IS NOT NULL")[0][0])
        time.sleep(0.2)
    after = memory(crowded)
    stop.set()
    for sender in senders:
        sender.join(30)
    ids = [one for sender in senders for one in sender.accepted]
    answers = sum((sender.answers for sender in senders), Counter())
    offered, refused = answers.total(), answers[429] + answers[503]
    took = statistics.quantiles([one for sender in senders for one in sender.seconds], n=100)[98]
    print(
        f"offered {offered:,}, accepted {len(ids):,}, told to come back {refused:,} ({dict(answers)}), p99 of accepted "
        f"{took * 1000:.0f} ms, most that waited {most}, memory {before / 2**20:.1f} to {after / 2**20:.1f} MiB, waits "
        f"{sorted(set().union(*(sender.waits for sender in senders)))}"
    )
    assert set(answers) <= {202, 429, 503}
    assert refused > len(ids)
    assert took < 0.5
    assert most <= 300 + 2 * SENDERS + 100  # a look's worth of what one process takes
    assert after < before * 1.05
    crowded.settled(ids, 60)
    assert sum(crowded.states(ids).values()) == len(ids)
    assert crowded.rows("SELECT count(*) FROM comity.comment") == [(len(ids) + 3,)]
    crowded.check_history()


def test_once_it_is_over_comments_are_taken_again(crowded: House) -> None:
    """At once, and decided as always."""
    wait_for(lambda: crowded.send()[0] == 202, 10, "a comment is taken")
    crowded.settled(crowded.submit(5), 30)
