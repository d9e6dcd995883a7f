"""Whether the memory of processes grows: their proportional set sizes, once a second, and a line through them."""

import contextlib
import statistics
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import psutil

from tests.faults.house import family
from tools.memory import pss

WARM = 120.0  # seconds of load after which what is kept for a minute, or once, is there: two windows of the limits
LONG = 300.0  # seconds after that from which on a slope says something


@dataclass
class Watch:
    """Looks at processes by name, each with those below it, from `with` on until its end."""

    pids: Mapping[str, int]
    _seen: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    _done: threading.Event = field(default_factory=threading.Event)
    _began: float = 0.0

    def __enter__(self) -> "Watch":
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._look, name="memory")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._ended = time.monotonic()

    def _look(self) -> None:
        while not self._done.wait(1.0):
            for name, pid in self.pids.items():
                self._seen.setdefault(name, []).append((time.monotonic() - self._began, _size(pid)))

    @property
    def warm(self) -> float:
        """Seconds that count as warming up: half of it all, where that is short."""
        return min(WARM, (self._ended - self._began) / 2)

    @property
    def long(self) -> bool:
        """Whether it was looked at for long enough to be judged."""
        return self._ended - self._began >= WARM + LONG

    def slopes(self) -> dict[str, float]:
        """Growth in five minutes as a share of the size, once warm, by name."""
        return {name: slope([one for one in seen if one[0] >= self.warm]) for name, seen in self._seen.items()}

    def said(self) -> str:
        """The slopes in words."""
        slopes = ", ".join(f"{name} {share:+.1%}" for name, share in self.slopes().items())
        return slopes + ("" if self.long else f" (not judged: {LONG:.0f} s are needed after {WARM:.0f} to warm up)")


def slope(seen: list[tuple[float, float]]) -> float:
    """Growth in five minutes as a share of the middle size, by Theil and Sen: the median of all pairs' slopes.

    A child that is replaced, or a page that is shared for a while, does not bend it.
    """
    pairs = [(b[1] - a[1]) / (b[0] - a[0]) for n, a in enumerate(seen) for b in seen[n + 1 :]]
    return 300 * statistics.median(pairs) / statistics.median(size for _, size in seen)


def _size(pid: int) -> float:
    """MB of a process and all below it. One that ends meanwhile counts nothing."""
    size = 0.0
    for one in family(pid):
        with contextlib.suppress(OSError, psutil.Error):
            size += pss(one.pid)
    return size
