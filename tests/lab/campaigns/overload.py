"""Far more comments come in than are judged."""

import threading
import time
from dataclasses import dataclass, field

import psutil

from service.settings import SETTINGS
from tests.lab.campaign import Outcome
from tests.lab.journal import OK
from tests.lab.laboratory import Lab

OFFERED = 1000.0  # submissions a second
CAP = 1000  # comments of a site that may wait
#: Two threads of one process take ten comments each, and pause: a hundred a second at most.
THROTTLE = {"COMITY_WORKER_CONCURRENCY": "1", "COMITY_BATCH": "10", "COMITY_FAILPOINTS": "judged=sleep:0.2"}
LONG = 300.0  # seconds of load from which on the slope of the memory says something
SLOPE, ACCEPT = 0.01, 0.5  # most growth in five minutes; most seconds to accept, of 99 in 100


def overload(lab: Lab, factor: float) -> Outcome:
    """Deciding is slowed down to a hundred a second. Nobody sends again what was refused."""
    assert any(one.name == "COMITY_PENDING" for one in SETTINGS), "nothing bounds how many comments may wait"
    seconds = max(12.0, 600 * factor)
    lab.start("web", COMITY_PENDING_SITE=str(CAP))
    lab.start("relay_1", "relay_2")
    lab.start("worker", **THROTTLE)
    lab.worker_ready(1)
    with _Watch(lab.house.processes["web"].pid) as watch, lab.crowd(
        visitors=12, readers=1, moderators=1, rate=OFFERED, patience=0.0
    ) as crowd:  # fmt: skip
        time.sleep(seconds)
        crowd.stop()
    [(decided,)] = lab.house.rows("SELECT count(*) FROM comity.decision WHERE actor = 'policy'")
    lab.house.kill("worker")
    lab.start("worker")  # as many as are left, at full speed
    lab.settle()
    return _judged(lab, seconds, decided, watch)


def _judged(lab: Lab, seconds: float, decided: int, watch: "_Watch") -> Outcome:
    sent = [one for one in lab.journal.entries() if one.what == "submit"]
    refused = sum(one.status in (429, 503) for one in sent)
    other = sum(one.status not in (202, 429, 503) for one in sent)
    times = sorted(one.ended - one.began for one in sent if one.outcome == OK)
    p99, slope = times[int(len(times) * 0.99)], watch.slope()
    found = Outcome(
        f"{seconds:.0f} s, {len(sent) / seconds:,.0f}/s offered, {decided / seconds:,.0f}/s decided",
        f"{lab.taken():,} accepted, all decided; {refused:,} answered 429 or 503; {other} otherwise; 99 % accepted in "
        f"{p99 * 1000:.0f} ms; memory {slope:+.1%} in 5 minutes" + ("" if seconds >= LONG else " (too short to tell)"),
    )
    found.demand(refused > 0, "the rest is answered 429 or 503", "nothing was refused")
    found.demand(other == 0, "the rest is answered 429 or 503", f"{other} submissions were answered otherwise")
    found.demand(p99 <= ACCEPT, "99 % accepted within 500 ms", f"{p99:.2f} s")
    found.demand(seconds < LONG or slope < SLOPE, "memory stays flat", f"{slope:+.1%} in five minutes")
    return found


@dataclass
class _Watch:
    """Looks at the memory of a process and those below it, once a second."""

    pid: int
    _seen: list[tuple[float, int]] = field(default_factory=list)
    _done: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "_Watch":
        self._thread = threading.Thread(target=self._look, name="memory")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        first = psutil.Process(self.pid)
        while not self._done.wait(1.0):
            family = [first, *first.children(recursive=True)]
            self._seen.append((time.monotonic(), sum(one.memory_info().rss for one in family)))

    def slope(self) -> float:
        """Growth in five minutes as a share, by least squares, of the second half: the first one warms up."""
        seen = self._seen[len(self._seen) // 2 :]
        middle = sum(at for at, _ in seen) / len(seen)
        mean = sum(size for _, size in seen) / len(seen)
        spread = sum((at - middle) ** 2 for at, _ in seen)
        return 300 * sum((at - middle) * (size - mean) for at, size in seen) / spread / mean
