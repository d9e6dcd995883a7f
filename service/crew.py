"""The threads that answer requests.

A ThreadPoolExecutor would do, but each of its futures wakes the event loop when a call has ended. That costs a fifth of
a short request and hurries for nothing: the answer has left by then, from the thread itself.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from service import log
from service.gang import Call, Gang

_log = log.get(__name__)
_TICK = 0.02  # seconds after which a call that has ended is noticed, if no other came meanwhile
Item = TypeVar("Item")


class Crew:
    """As many threads as asked for, started when there is work; they end with the process. For one event loop."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._threads = 0
        self._calls: SimpleQueue[tuple[Call, asyncio.Future[None] | None]] = SimpleQueue()
        self._ended: deque[asyncio.Future[None]] = deque()
        self._open = 0
        self._ticking = False

    @property
    def calls(self) -> int:
        """How many calls run or wait for a thread."""
        self._settle()
        return self._open

    async def run(self, call: Call) -> None:
        """Run `call` in one of the threads; returns some time after its end. What it raises is only logged."""
        done = self._begin()
        self._calls.put((call, done))
        await done

    async def run_with_others(self, gang: Gang[Item, Any], item: Item) -> None:
        """Have one of the threads work on `item` together with others of the gang; otherwise as `run`."""
        done = self._begin()
        if gang.add(item, done):
            self._calls.put((partial(self._gather, gang), None))
        await done

    def _begin(self) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        if self._threads < self._size:
            self._grow()
        self._open += 1
        if not self._ticking:
            self._tick(loop)
        return loop.create_future()

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
            if done is not None:
                self._ended.append(done)
            del call, done  # what they hold is free while no other comes

    def _gather(self, gang: Gang[Any, Any]) -> None:
        """Work on lots as long as any waits; whatever else was called for has its turn in between."""
        while self._work_together(gang):
            if not self._calls.empty():
                self._come(gang)
                return

    def _come(self, gang: Gang[Any, Any]) -> None:
        self._calls.put((partial(self._gather, gang), None))

    def _work_together(self, gang: Gang[Any, Any]) -> bool:
        """Work on one lot; True when this thread has to take another."""
        lot = gang.lot()
        left: Sequence[Call | None] = [None] * len(lot)
        try:
            try:
                read = gang.read([item for item, _ in lot])
            finally:
                if gang.was_read():
                    self._come(gang)
            left = gang.finish(read)
        except BaseException:
            _log.exception("call_failed")
        for (_, done), call in zip(lot, left, strict=True):
            if call is None:
                self._ended.append(done)
            else:
                self._calls.put((call, done))
        return gang.was_finished(len(lot))

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
