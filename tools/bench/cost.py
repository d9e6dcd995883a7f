"""What processes cost: their CPU time, as the kernel counts it. Linux only."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

_TICK = 1000.0 / os.sysconf("SC_CLK_TCK")


def spent(pid: int) -> float:
    """CPU milliseconds of a process and all below it so far, those that ended included."""
    first = psutil.Process(pid)
    return sum(_ticks(one.pid) for one in (first, *first.children(recursive=True))) * _TICK


def _ticks(pid: int) -> int:
    """User and system time of a process and of the children it has waited for; 0 for one that just ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(") ")[2].split()
    except OSError:
        return 0
    return sum(int(value) for value in fields[11:15])


@dataclass(frozen=True, slots=True)
class Meter:
    """CPU time of named processes from one moment on, and that of this process (the client)."""

    pids: Mapping[str, int]
    began: Mapping[str, float]
    client: float

    @classmethod
    def start(cls, pids: Mapping[str, int]) -> "Meter":
        """Begin now."""
        return cls(pids, {name: spent(pid) for name, pid in pids.items()}, time.process_time() * 1000)

    def read(self) -> dict[str, float]:
        """CPU milliseconds since the start by name; "client" is this process."""
        found = {name: spent(pid) - self.began[name] for name, pid in self.pids.items()}
        return {**found, "client": time.process_time() * 1000 - self.client}
