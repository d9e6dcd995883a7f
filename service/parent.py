"""Ending with one's parent: a process that outlives its supervisor would hold ports and leases for nobody."""

import ctypes
import os
import signal
import sys

#: What the web server sends its processes when it is about to stop: end what is slow.
HURRY = signal.SIGUSR1
_PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int | None) -> None:
    """On Linux, be killed when the parent dies, and end now if it died already. Elsewhere the parent has to see to it.

    parent: the process id of the one that started this process; None where nobody did.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None and os.getppid() != parent:  # it died before the kernel was asked, and nobody will tell us
        os._exit(1)
