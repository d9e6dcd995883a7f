"""Rate limits: bursts are counted in this process, windows in PostgreSQL, shared by all web processes.

A request never waits for the database here: what this process counted is added to the shared windows every quarter of
a second, and what the others counted comes back with it. No limits library keeps windows in PostgreSQL, and the broker
must not be in the path of a request; hence this module.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from math import ceil

from service import log
from service.domain.mac import Mac
from service.store import hits
from service.store.database import Busy, Database, Unavailable
from service.web.errors import Problem

SYNC_SECONDS = 0.25
_LATEST_KEYS = 8192  # not computed anew: a reader sends several requests, each of which needs two
MOST_KEYS = 100_000  # windows and bursts remembered at once; the oldest are forgotten first

_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Want:
    """One limit a request falls under: its name, whom it counts, and how many in how many seconds."""

    name: str
    who: bytes
    count: int
    seconds: int

    @property
    def burst(self) -> int:
        """How many may come at once: a sixth of the window, at least 4."""
        return max(4, self.count // 6)

    @property
    def each(self) -> float:
        """Seconds until one more may come after a burst: four times the window's rate."""
        return self.seconds / self.count / 4


@dataclass(slots=True)
class _Window:
    key: tuple[bytes, int, int]  # whom it counts, seconds (which are in the first, too), start
    shared: int = 0
    mine: int = 0  # counted here and not yet added to the shared window

    @property
    def used(self) -> int:
        return self.shared + self.mine


@dataclass(frozen=True, slots=True)
class Spent:
    """What a request was counted as. fields: RateLimit fields for its answer."""

    counted: Sequence[tuple[Want, _Window]]
    fields: Mapping[str, str]


class Limits:
    """Counts and refuses. `now` gives seconds since the epoch; windows begin at its multiples."""

    def __init__(self, secret: bytes, database: Database | None, now: Callable[[], float] = time.time) -> None:
        self._mac = Mac(secret)
        self._keyed = lru_cache(_LATEST_KEYS)(self._digest)
        self._database = database
        self._now = now
        self._lock = threading.Lock()
        self._sharing = threading.Lock()  # one exchange at a time: a count must not be shared twice
        self._windows: OrderedDict[tuple[bytes, int, int], _Window] = OrderedDict()
        self._bursts: OrderedDict[bytes, float] = OrderedDict()  # when a whole burst is free again
        self._dirty: set[tuple[bytes, int, int]] = set()
        if database is not None:
            threading.Thread(target=self._sync_for_ever, name="limits", daemon=True).start()

    def key(self, *parts: str | bytes) -> bytes:
        """Whom a limit counts, as 16 bytes that say nothing about them."""
        return self._keyed(parts)

    def _digest(self, parts: tuple[str | bytes, ...]) -> bytes:
        message = b"\0".join(part.encode() if isinstance(part, str) else part for part in parts)
        return self._mac(message)[:16]

    def spend(self, wants: Sequence[Want], *, gathered: bool = False) -> Spent:
        """Count a request under all its limits, or under none.

        gathered: it came about over some time and is handed in late, so how many come at once says nothing.
        Raises Problem (429) naming the limits that are used up: a request over its author's or its network's limit is
        not counted as its site's, so that one attacker uses up only what is theirs.
        """
        now = self._now()
        with self._lock:
            found = [(want, self._window(want, now)) for want in wants]
            over = [
                want
                for want, window in found
                if window.used >= want.count or (not gathered and self._bursts_over(want, now))
            ]
            if over:
                raise _refusal(over, found, now)
            for want, window in found:
                self._count(window, 1)
                self._count_burst(want, now)
        return Spent(found, _fields(found, now))

    def fields(self, wants: Sequence[Want]) -> Mapping[str, str]:
        """The RateLimit fields of limits as they are now. Counts nothing and refuses nothing, however full they are."""
        now = self._now()
        with self._lock:
            return _fields([(want, self._window(want, now)) for want in wants], now)

    def give_back(self, spent: Spent, *, bursts: bool) -> Mapping[str, str]:
        """Undo a `spend`, once; returns the RateLimit fields as they are then.

        bursts: it does not count as one of those that came at once, either. What was shared meanwhile is taken back
        with the next exchange; a window that ended is left alone.
        """
        with self._lock:
            for want, window in spent.counted:
                if self._windows.get(window.key) is window:
                    self._count(window, -1)
                if bursts:
                    self._free_burst(want)
            return _fields(spent.counted, self._now())

    def sync(self) -> None:
        """Add what was counted here to the shared windows, and learn what the others counted."""
        with self._sharing:
            self._share()

    def _share(self) -> None:
        with self._lock:
            self._forget(self._now())
            self._dirty.intersection_update(self._windows)  # one was counted in while it was pushed out
            dirty = {key: window.mine for key in self._dirty if (window := self._windows.get(key))}
        if not dirty or self._database is None:
            return
        starts = {key: datetime.fromtimestamp(key[2], UTC) for key in dirty}
        sums = self._add(self._database, [(key[0], starts[key], n) for key, n in sorted(dirty.items())])
        with self._lock:
            for key, n in dirty.items():
                if window := self._windows.get(key):
                    window.shared = sums.get((key[0], starts[key]), window.shared + n)
                    self._count(window, -n)

    def _add(self, database: Database, counted: Sequence[hits.Hits]) -> Mapping[tuple[bytes, datetime], int]:
        """The sums of the shared windows with these hits; none for a window that cannot be shared.

        What is wrong with one window must not keep the others from being shared, now and ever after: they are tried by
        halves. Raises Unavailable, Busy.
        """
        try:
            with database.connection() as connection:
                return hits.add(connection, counted)
        except (Unavailable, Busy):
            raise
        except Exception:
            if len(counted) == 1:
                _log.warning("limits_sync_failed", exc_info=True)
                return {}
        half = len(counted) // 2
        return {**self._add(database, counted[:half]), **self._add(database, counted[half:])}

    def _forget(self, now: float) -> None:
        """Drop from the old ends what no longer says anything: windows that ended, bursts that are free again."""
        while self._windows:
            key = next(iter(self._windows))
            if key[2] + key[1] > now or key in self._dirty:
                break
            del self._windows[key]
        while self._bursts and next(iter(self._bursts.values())) <= now:
            self._bursts.popitem(last=False)

    def _sync_for_ever(self) -> None:
        while True:
            time.sleep(SYNC_SECONDS)
            try:
                self.sync()
            except (Unavailable, Busy):
                continue  # counted on here until the database is back
            except Exception:
                _log.warning("limits_sync_failed", exc_info=True)

    def _count(self, window: _Window, n: int) -> None:
        """Add to what is not shared yet; less than nothing of it takes back what was shared."""
        window.mine += n
        if window.mine:
            self._dirty.add(window.key)
        else:
            self._dirty.discard(window.key)

    def _window(self, want: Want, now: float) -> _Window:
        # One limit's windows of different lengths may begin together: what is shared tells them apart by the digest.
        key = (self.key(want.name, want.who, str(want.seconds)), want.seconds, int(now // want.seconds) * want.seconds)
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = _Window(key)
            while len(self._windows) > MOST_KEYS:
                self._dirty.discard(self._windows.popitem(last=False)[0])
        return window

    def _bursts_over(self, want: Want, now: float) -> bool:
        """The generic cell rate algorithm (ITU-T I.371): four times the window's rate, after a free burst."""
        free_at = self._bursts.get(self.key(want.name, want.who), 0.0)
        return free_at - now > (want.burst - 1) * want.each

    def _count_burst(self, want: Want, now: float) -> None:
        key = self.key(want.name, want.who)
        self._bursts[key] = max(self._bursts.pop(key, 0.0), now) + want.each
        while len(self._bursts) > MOST_KEYS:
            self._bursts.popitem(last=False)

    def _free_burst(self, want: Want) -> None:
        key = self.key(want.name, want.who)
        if key in self._bursts:
            self._bursts[key] -= want.each


def _refusal(over: Sequence[Want], found: Sequence[tuple[Want, _Window]], now: float) -> Problem:
    waits = []
    for want, window in found:
        if want in over:
            full = window.used >= want.count
            waits.append(ceil(want.seconds - now % want.seconds) if full else 1)
    names = [want.name for want in over]
    return Problem(
        "quota-exceeded",
        f"Too many requests for the limit{'s' if len(names) > 1 else ''} {', '.join(names)}. Wait {max(waits)} s.",
        headers={"Retry-After": str(max(waits)), **_fields(found, now)},
        extra={"violated-policies": names},
    )


def _fields(found: Sequence[tuple[Want, _Window]], now: float) -> dict[str, str]:
    policies = ", ".join(f'"{want.name}";q={want.count};w={want.seconds}' for want, _ in found)
    state = ", ".join(
        f'"{want.name}";r={max(0, want.count - window.used)};t={ceil(want.seconds - now % want.seconds)}'
        for want, window in found
    )
    return {"RateLimit-Policy": policies, "RateLimit": state} if found else {}
