"""The threads that answer requests.

A ThreadPoolExecutor would do, but each of its futures wakes the event loop when a call has ended. That costs a fifth of
a short request and hurries for nothing: the answer has left by then, from the thread itself.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

from service import log

_log = log.get(__name__)
_TICK = 0.02  # seconds after which a call that has ended is noticed, if no other came meanwhile


class Crew:
    """As many threads as asked for, started when there is work; they end with the process. For one event loop."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._threads = 0
        self._calls: SimpleQueue[tuple[Callable[[], None], asyncio.Future[None]]] = SimpleQueue()
        self._ended: deque[asyncio.Future[None]] = deque()
        self._open = 0
        self._ticking = False

    @property
    def calls(self) -> int:
        """How many calls run or wait for a thread."""
        self._settle()
        return self._open

    async def run(self, call: Callable[[], None]) -> None:
        """Run `call` in one of the threads; returns some time after its end. What it raises is only logged."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        if self._threads < self._size:
            self._grow()
        self._open += 1
        self._calls.put((call, done))
        if not self._ticking:
            self._tick(loop)
        await done

    def _grow(self) -> None:
        self._threads += 1
        threading.Thread(target=self._work, name=f"web-{self._threads}", daemon=True).start()

    def _work(self) -> None:
        while True:
            call, done = self._calls.get()
            try:
                call()
            except BaseException:  # such as a panic below us: the next request needs this thread
                _log.exception("call_failed")
            self._ended.append(done)
            del call, done  # what they hold is free while no other comes

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._settle()
        self._ticking = self._open > 0
        if self._ticking:
            loop.call_later(_TICK, self._tick, loop)

    def _settle(self) -> None:
        while self._ended:
            done = self._ended.popleft()
            self._open -= 1
            if not done.done():  # else whoever waited was told to stop
                done.set_result(None)
