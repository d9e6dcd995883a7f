"""Ending with one's parent: a process that outlives its supervisor would hold ports and leases for nobody."""

import ctypes
import signal
import sys

#: What the web server sends its processes when it is about to stop: end what is slow.
HURRY = signal.SIGUSR1
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """On Linux, be killed when the parent dies. Elsewhere nothing happens, and the parent has to see to it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
