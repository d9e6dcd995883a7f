"""Becomes another program that ends with its parent.

Run as a file, not imported: `python -I -S leash.py PARENT SIGNAL UID GID PROGRAM [ARGUMENT ...]`. A separate program
rather than code between fork and exec, because that code may hang when the parent has threads. It starts with the
parent's rights, gives them up if UID is not -1, and asks the kernel to send SIGNAL when the parent ends, in this order:
a change of user forgets the request. Linux only; elsewhere the next start finds what was left (see `orphans`).
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, death_signal, uid, gid = (int(word) for word in sys.argv[1:5])
    os.umask(0o077)
    _become(uid, gid)
    _end_with(parent, death_signal)
    # A shell starts background jobs with SIGINT ignored; PostgreSQL needs it to stop.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.execve(sys.argv[5], sys.argv[5:], os.environ)  # noqa: S606 - no shell is the point


def _become(uid: int, gid: int) -> None:
    if uid == -1:
        return
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _end_with(parent: int, death_signal: int) -> None:
    if death_signal == 0 or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(0)  # It ended before the request was made.


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        print(f"cannot start {sys.argv[5]}: {error.strerror}", file=sys.stderr)
        sys.exit(126)
