"""Answers that are counted and logged a moment later, many at a time: one by one that costs more than some of them."""

import atexit
import threading
import time
from collections import deque
from contextlib import suppress

from service import log
from service.web import metrics

LATER = 0.05  # seconds at most


class Notes:
    """What was answered and is not counted and logged yet. Any number of threads may add."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[float, str, str, int, float, str]] = deque()
        self._there = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        atexit.register(self.write)

    def add(self, method: str, route: str, status: int, seconds: float, request: str) -> None:
        """An answer given now, in so many seconds. `route` is a rule of ours, never a path."""
        self._waiting.append((time.time(), method, route, status, seconds, request))
        if not self._there.is_set():
            self._there.set()
            if self._thread is None:
                self._start()

    def write(self) -> None:
        """Count and log what waits."""
        events = []
        with suppress(IndexError):  # raised when nothing waits any more
            while True:
                at, method, route, status, seconds, request = self._waiting.popleft()
                metrics.observe(method, route, status, seconds)
                more = {"method": method, "route": route, "status": status, "ms": round(seconds * 1000, 2)}
                events.append((at, {**more, "request": request}))
        log.many(__name__, "request", events)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="notes", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._there.wait()
            time.sleep(LATER)
            self._there.clear()
            self.write()
