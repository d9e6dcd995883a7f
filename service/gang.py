"""Work that a thread does for several at once: for all that came while those before were being worked on."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Call = Callable[[], None]
Item = TypeVar("Item")
Read = TypeVar("Read")


class Gang(Generic[Item, Read]):
    """What waits for its turn, and who may come for it; a Crew has the threads.

    Nobody waits for more to come: one that is alone is taken at once. Work has two parts, since Python runs on one
    core: one lot is read at a time, while others are finished, which is mostly to wait for the database. A lot takes
    its share of all that is there, so that the lots are alike and the two parts go side by side.
    """

    def __init__(
        self,
        read: Callable[[Sequence[Item]], Read],
        finish: Callable[[Read], Sequence[Call | None]],
        most: int,
        at_once: int,
    ) -> None:
        """finish: for each item what is left to be done for it alone, or None. most: items of a lot. at_once: lots."""
        self.read, self.finish = read, finish
        self._most, self._at_once = most, at_once
        self._waiting: deque[tuple[Item, asyncio.Future[None]]] = deque()
        self._lock = threading.Lock()
        self._reading = False
        self._lots = 0
        self._taken = 0  # items of these

    def add(self, item: Item, done: asyncio.Future[None]) -> bool:
        """Have an item wait; True when a thread has to come."""
        with self._lock:
            self._waiting.append((item, done))
            return self._turn()

    def lot(self) -> list[tuple[Item, asyncio.Future[None]]]:
        """What the thread takes that came."""
        with self._lock:
            share = -(-(len(self._waiting) + self._taken) // self._at_once)
            found = [self._waiting.popleft() for _ in range(min(len(self._waiting), share, self._most))]
            self._lots += 1
            self._taken += len(found)
        return found

    def was_read(self) -> bool:
        """A lot was read; True when another thread has to come."""
        with self._lock:
            self._reading = False
            return self._turn()

    def was_finished(self, items: int) -> bool:
        """A lot of so many was finished; True when a thread has to come."""
        with self._lock:
            self._lots -= 1
            self._taken -= items
            return self._turn()

    def _turn(self) -> bool:
        """Whether somebody has to read now; who hears it does so, and nobody else until then."""
        if self._reading or not self._waiting or self._lots >= self._at_once:
            return False
        self._reading = True
        return True
