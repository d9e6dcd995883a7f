"""Public answers in memory, as bytes, each good as long as its thread has not changed.

All threads that were asked for are looked at in one query, several times a second (`Watch`); what was not confirmed for
FRESH seconds is not given out. So a comment that goes is gone from every process within a second, whoever took it away,
and at once from the process that did: it doubts everything until it has looked again.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from uuid import UUID

from service import log
from service.store import threads
from service.store.database import Busy, Database, Unavailable
from service.store.threads import Stamp

EVERY = 0.25  # seconds between two looks at the threads that are asked for
FRESH = 0.75  # seconds after which a look says nothing any more
MOST_BYTES = 16 * 1024 * 1024
_ENTRY = 2000  # bytes that an entry takes beside its body, about

_log = log.get(__name__)
Fields = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer. fields: header fields of a 200; unchanged: those of a 304. stamp: what it was made from."""

    stamp: Stamp
    etag: str
    fields: Fields
    unchanged: Fields
    body: bytes


@dataclass(slots=True)
class _Seen:
    """A thread as it was at least until `at`, by the clock of the process."""

    stamp: Stamp
    at: float


class Hot:
    """The answers that were given last, MOST_BYTES of them at most. Any number of threads may ask."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter, most: int = MOST_BYTES) -> None:
        self._clock, self._most = clock, most
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._seen: dict[UUID, _Seen] = {}
        self._users: dict[UUID, int] = {}  # how many answers are of a thread
        self._asked: set[UUID] = set()
        self._doubted = -1.0
        self.bytes = 0
        self.wanted = threading.Event()  # set while there is something to look at

    def find(self, key: Hashable) -> Kept | None:
        """The answer under `key`, if nothing it was made from has changed as far as is known."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            self._kept.move_to_end(key)
            self._ask(kept.stamp.thread_id)
            seen = self._seen[kept.stamp.thread_id]
            if seen.stamp != kept.stamp or seen.at <= max(self._doubted, self._clock() - FRESH):
                return None
            return kept

    def keep(self, key: Hashable, kept: Kept, at: float) -> None:
        """Remember an answer to a request that began at `at`."""
        size = len(kept.body) + _ENTRY
        with self._lock:
            if size > self._most or not self._learn(kept.stamp, at):
                return
            self._users[kept.stamp.thread_id] = self._users.get(kept.stamp.thread_id, 0) + 1
            self._drop(key)  # the thread has a user by now, so what is known of it stays
            self._kept[key] = kept
            self.bytes += size
            while self.bytes > self._most:
                self._drop(next(iter(self._kept)))

    def doubt(self) -> None:
        """Something was changed through this process: give nothing out that was looked at before now."""
        with self._lock:
            self._doubted = self._clock()
            self.wanted.set()

    def asked(self) -> Collection[UUID]:
        """The threads that were asked for since the last call."""
        with self._lock:
            found, self._asked = self._asked, set()
            self.wanted.clear()
            return found

    def confirm(self, stamps: Mapping[UUID, Stamp], at: float) -> None:
        """Threads as a look found them that began at `at`."""
        with self._lock:
            for stamp in stamps.values():
                if stamp.thread_id in self._users:
                    self._learn(stamp, at)

    def _ask(self, thread_id: UUID) -> None:
        self._asked.add(thread_id)
        if not self.wanted.is_set():
            self.wanted.set()

    def _learn(self, stamp: Stamp, at: float) -> bool:
        """Take in how a thread was at some moment; False when it is known to have been changed before."""
        seen = self._seen.get(stamp.thread_id)
        if seen is None:
            self._seen[stamp.thread_id] = _Seen(stamp, at)
        elif seen.stamp.version > stamp.version:
            return False
        elif seen.at < at:
            seen.stamp, seen.at = stamp, at
        return True

    def _drop(self, key: Hashable) -> None:
        kept = self._kept.pop(key, None)
        if kept is None:
            return
        self.bytes -= len(kept.body) + _ENTRY
        thread_id = kept.stamp.thread_id
        self._users[thread_id] -= 1
        if not self._users[thread_id]:
            del self._users[thread_id], self._seen[thread_id]


class Watch:
    """Looks at the threads that readers ask for, one query at a time, from a thread of its own."""

    def __init__(self, hot: Hot, database: Database, clock: Callable[[], float] = time.perf_counter) -> None:
        self._hot, self._database, self._clock = hot, database, clock

    def start(self) -> None:
        """Look from now on, as long as the process lives."""
        threading.Thread(target=self._run, name="hot", daemon=True).start()

    def look(self) -> None:
        """Look once. Raises Unavailable, Busy."""
        asked = self._hot.asked()
        if not asked:
            return
        at = self._clock()
        with self._database.connection() as connection:
            stamps = threads.stamps(connection, asked)
        self._hot.confirm(stamps, at)

    def _run(self) -> None:
        while True:
            self._hot.wanted.wait()
            try:
                self.look()
            except (Unavailable, Busy):
                pass  # answers grow old and are not given out
            except Exception:
                _log.warning("look_failed", exc_info=True)
            time.sleep(EVERY)
