"""Identifiers that sort by time and cannot be guessed."""

import os
import threading
import time
from uuid import UUID

_AT_ONCE = 2048  # bytes asked of the system at once


class _Randomness(threading.local):
    """Random bytes of the system, fetched for many ids at once; each thread has its own."""

    def __init__(self) -> None:
        self.left = b""

    def take(self, count: int) -> bytes:
        """So many bytes that nobody had before."""
        if len(self.left) < count:
            self.left = os.urandom(_AT_ONCE)
        taken, self.left = self.left[:count], self.left[count:]
        return taken

    def forget(self) -> None:
        """Begin anew: a child process must not hand out what its parent will."""
        self.left = b""


_RANDOM = _Randomness()
os.register_at_fork(after_in_child=_RANDOM.forget)


def new_id() -> UUID:
    """A UUID of version 7 (RFC 9562, section 5.7): 48 bits of milliseconds, 74 random bits.

    The time in it only keeps neighbours together in an index; no decision reads it.
    """
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & 0xFFFFFFFFFFFF) << 80 | int.from_bytes(_RANDOM.take(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def random_id() -> UUID:
    """A UUID of version 4, all of it random, for what nobody sorts."""
    return UUID(bytes=_RANDOM.take(16), version=4)
