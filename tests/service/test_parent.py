"""A process ends with its parent, also with one that died before anybody could say so."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
_CHILD = """
import os, sys, time
from pathlib import Path
from service.parent import end_with_parent
here = Path(sys.argv[2])
(here / "child").write_text(str(os.getpid()))
while not (here / "go").exists():
    time.sleep(0.01)
end_with_parent(int(sys.argv[1]))
(here / "lives").touch()
time.sleep(60)
"""
_PARENT = """
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid()), sys.argv[2]])
time.sleep(60)
"""


def wait_for(true: object, seconds: float = 20) -> None:
    """Wait until a condition holds."""
    until = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(0.01)


def gone(pid: int) -> bool:
    """Whether a process ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("early", [False, True])
def test_a_child_ends_with_its_parent(tmp_path: Path, early: bool) -> None:
    """early: the parent is killed before the child asks the kernel to be told."""
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, _CHILD, str(tmp_path)], cwd=ROOT)
    wait_for(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text())
    child = int((tmp_path / "child").read_text())
    if not early:
        (tmp_path / "go").touch()
        wait_for((tmp_path / "lives").exists)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    (tmp_path / "go").touch()
    wait_for(lambda: gone(child))
    assert (tmp_path / "lives").exists() is not early
