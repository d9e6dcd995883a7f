"""Whether there is room for more comments that wait for a verdict: of a site, and in all.

A request never waits for the database here: a thread counts what waits, a few times a second while comments come in,
and what this process took since is added. So the caps are soft: what other processes took since the last look is not
known, nor what was being stored while it looked. What was accepted is never dropped.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from uuid import UUID

from service import log
from service.store import waiting
from service.store.database import Busy, Database, Unavailable
from service.store.sites import Site
from service.web import metrics
from service.web.errors import Problem

EVERY = 0.25  # seconds between two looks
MOST_PAUSE = 5.0
SHARE = 20  # a look may take one second in so many: what takes longer is done less often
FRESH = 10.0  # seconds after which a look says nothing any more
POLICY = "pending"  # its name among a site's limits, and in what a refusal names
FREE = 20  # whoever is refused comes back when a part of the cap is free again: one in so many
NOBODY, LONGEST = 30, 300  # seconds to wait when nobody judges, and at most

_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen: comments that wait, by site and in all, when (by the process's clock), and verdicts a second."""

    at: float
    sites: Mapping[UUID, int] = field(default_factory=dict)
    total: int = 0
    rate: float | None = None


class Room:
    """Counts comments in, and refuses those for which there is no room. Any number of threads may ask.

    site_cap, cap: comments of one site and in all that may wait. A site may have a smaller cap among its limits.
    """

    def __init__(
        self, site_cap: int, cap: int, database: Database | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._site_cap, self._cap, self._database, self._clock = site_cap, cap, database, clock
        self._lock = threading.Lock()
        self._looking = threading.Lock()  # one look at a time: what was taken must not be subtracted twice
        self._seen = Look(float("-inf"))
        self._since: Counter[UUID] = Counter()  # taken here and not yet seen
        self._since_total = 0
        self._refused = False
        self._wanted = threading.Event()  # set while comments come in
        if database is not None:
            threading.Thread(target=self._look_for_ever, name="room", daemon=True).start()

    def admit(self, site: Site, count: int = 1) -> None:
        """Count comments of a site that are about to be stored.

        Raises Problem with nothing counted: 429 when as many of the site wait as may, 503 when as many do in all.
        """
        if not self._wanted.is_set():
            self._wanted.set()
        with self._lock:
            seen, known = self._seen, self._clock() - self._seen.at < FRESH
            own, total = seen.sites.get(site.id, 0) + self._since[site.id], seen.total + self._since_total
            own_cap = min(self._site_cap, site.limits.get(POLICY, self._site_cap))
            if not known or (own < own_cap and total < self._cap):
                self._since[site.id] += count
                self._since_total += count
                return
            self._refused = True
        if own >= own_cap:
            raise _site_is_full(own, own_cap, _seconds(own, own_cap, seen.rate, own / max(own, total)))
        raise _all_is_full(_seconds(total, self._cap, seen.rate))

    def look(self) -> None:
        """Count what waits. Raises Unavailable, Busy."""
        with self._looking:
            self._look()

    def _look(self) -> None:
        assert self._database is not None
        with self._lock:
            before, before_total, at = Counter(self._since), self._since_total, self._clock()
        with self._database.connection() as connection:
            sites = waiting.counts(connection, self._cap + 1)
            total = sum(sites.values())
            rate = waiting.rate(connection) if self._nearly_full(sites, total) else None
        with self._lock:  # what was taken before the look began is in what it saw
            self._since -= before
            self._since_total -= before_total
            self._seen, self._refused = Look(at, sites, total, rate), False

    def _nearly_full(self, sites: Mapping[UUID, int], total: int) -> bool:
        return self._refused or total * 2 >= self._cap or max(sites.values(), default=0) * 2 >= self._site_cap

    def _look_for_ever(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            began = time.monotonic()
            try:
                self.look()
            except (Unavailable, Busy):
                pass  # nothing is stored meanwhile either
            except Exception:
                _log.warning("room_unknown", exc_info=True)
            time.sleep(min(MOST_PAUSE, max(EVERY, SHARE * (time.monotonic() - began))))


def _seconds(count: int, cap: int, rate: float | None, share: float = 1.0) -> int:
    """Until a part of the cap is free again, at the speed of the last seconds."""
    if not rate:
        return NOBODY
    return max(1, min(LONGEST, ceil((count - cap + max(1, cap // FREE)) / (rate * share))))


def _site_is_full(count: int, cap: int, seconds: int) -> Problem:
    words = f"{count:,} comments of this site wait for a verdict, and {cap:,} may."
    return _full("site", "quota-exceeded", words, seconds)


def _all_is_full(seconds: int) -> Problem:
    return _full("all", "service-unavailable", "As many comments wait for a verdict here as may.", seconds)


def _full(cap: str, kind: str, words: str, seconds: int) -> Problem:
    """A refusal, counted. cap: whose is reached."""
    metrics.full(cap)
    return Problem(
        kind,
        f"{words} Nothing was stored. Wait {seconds} s.",
        headers={"Retry-After": str(seconds)},
        extra={"violated-policies": [POLICY]},
    )
