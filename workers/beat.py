"""A file that is touched as long as its process works, so that a look from outside can tell whether it does."""

import time
from pathlib import Path

EVERY = 2.0  # seconds between two touches
SILENCE = 15.0  # seconds without one after which nobody believes that the process works


class Beat:
    """Touches its file, at most every two seconds. Without a path it does nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._touched = float("-inf")

    def touch(self) -> None:
        """Say that the process works. Raises OSError when the file's folder is not there or full."""
        now = time.monotonic()
        if self._path is not None and now - self._touched >= EVERY - 0.1:
            self._path.touch()
            self._touched = now


def age(path: Path) -> float | None:
    """Seconds since the last touch; None when there was none."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return None
