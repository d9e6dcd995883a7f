"""Texts that were made once and are wanted again, such as comments as HTML: the latest ones, in so many bytes."""

import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

_ENTRY = 300  # bytes that a key and its place take, about


class Memory:
    """The texts that were asked for last, `most` bytes of them at most. Any number of threads may ask.

    Two threads that miss the same text at once both make it; none waits for another's.
    """

    def __init__(self, most: int) -> None:
        self.most, self.bytes = most, 0
        self._texts: OrderedDict[Hashable, str] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], str]) -> str:
        """The text under `key`, made if it is not there. `make` must give the same text for the same key."""
        with self._lock:
            known = self._texts.get(key)
            if known is not None:
                self._texts.move_to_end(key)
                return known
        made = make()
        with self._lock:
            self._keep(key, made)
        return made

    def _keep(self, key: Hashable, text: str) -> None:
        if key in self._texts or _size(text) > self.most:
            return
        self._texts[key] = text
        self.bytes += _size(text)
        while self.bytes > self.most:
            self.bytes -= _size(self._texts.popitem(last=False)[1])


def _size(text: str) -> int:
    return sys.getsizeof(text) + _ENTRY
