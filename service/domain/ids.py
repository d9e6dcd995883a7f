"""Identifiers that sort by time and cannot be guessed."""

import os
import time
from uuid import UUID


def new_id() -> UUID:
    """A UUID of version 7 (RFC 9562, section 5.7): 48 bits of milliseconds, 74 random bits.

    The time in it only keeps neighbours together in an index; no decision reads it.
    """
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & 0xFFFFFFFFFFFF) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)
