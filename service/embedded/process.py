"""One child process: what it is, how it starts, how it is known again after its parent was killed."""

import json
import os
import pwd
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from service.embedded.errors import ServerDied, StartError
from service.embedded.files import write_atomically

_LEASH = Path(__file__).with_name("leash.py")
_LINUX = sys.platform.startswith("linux")


@dataclass(frozen=True)
class Account:
    """An unprivileged user of this machine; only root can start a process as one."""

    name: str
    uid: int
    gid: int

    @classmethod
    def named(cls, name: str) -> "Account":
        """Raises KeyError for an unknown name."""
        return cls._of(pwd.getpwnam(name))

    @classmethod
    def numbered(cls, uid: int) -> "Account":
        """Raises KeyError for a number without an entry, which initdb would refuse too."""
        return cls._of(pwd.getpwuid(uid))

    @classmethod
    def _of(cls, entry: pwd.struct_passwd) -> "Account":
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _nothing(_last_words: str) -> None:
    """Most processes need nothing done before they start."""


def _no_warning(_line: str) -> None:
    """Most processes' lines speak for themselves."""


@dataclass(frozen=True)
class Process:
    """A program to keep running.

    `stop_signal` asks it to end, `hurry_signal` follows after `grace` seconds (or at the second Ctrl-C), SIGKILL ten
    seconds later. `death_signal` is what the kernel sends when the supervisor itself is killed. `before` runs ahead of
    each start with the last lines the previous run wrote, `explain` makes a sentence of them when it ended by itself;
    `warn` looks at each line for what a person must be told while it runs.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    stop_signal: int = signal.SIGTERM
    grace: float = 45.0
    hurry_signal: int = signal.SIGKILL
    death_signal: int = signal.SIGTERM
    account: Account | None = None
    cwd: Path = Path("/")
    stdin: Path = Path(os.devnull)
    before: Callable[[str], None] = _nothing
    explain: Callable[[str], StartError] | None = None
    warn: Callable[[str], str | None] = _no_warning

    def died(self, last_words: str) -> StartError:
        """The sentence for its end while it started; `last_words` are the last lines it wrote."""
        if self.explain is not None:
            return self.explain(last_words)
        lines = [line.strip() for line in last_words.splitlines() if line.strip()]
        return ServerDied(f"{self.name} ended while it started: {(lines or ['it said nothing'])[-1][:300]}")


def spawn(
    process: Process,
    errors: int,
    records: Path | None = None,
    answers: int | None = None,
    stdin: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start `process` in a session of its own.

    What it writes goes to the descriptor `errors`, its standard output to `answers` if that is given; `stdin` goes
    before its own. In `records` it leaves `<name>.pid.json`, by which `orphans` knows it again.
    """
    with process.stdin.open("rb") as own:
        child = subprocess.Popen(  # noqa: S603 - what to start is this module's purpose
            _on_leash(process),
            env=dict(process.env),
            cwd=process.cwd,
            stdin=own if stdin is None else stdin,
            stdout=errors if answers is None else answers,
            stderr=errors,
            start_new_session=True,
        )
    if records is not None:
        # Without a record, as on a full disk, the kernel's signal still binds the child to us.
        with suppress(OSError):
            _record(process, child.pid, records)
    return child


def _on_leash(process: Process) -> list[str]:
    # The kernel's signal comes when the *thread* that started the child ends, so other threads do without it.
    in_main = threading.current_thread() is threading.main_thread()
    account = process.account or Account("", -1, -1)
    words = (os.getpid(), int(process.death_signal) if in_main else 0, account.uid, account.gid)
    return [sys.executable, "-I", "-S", str(_LEASH), *map(str, words), *process.argv]


def born(pid: int) -> str | None:
    """When process `pid` started, as a text no later process with that number has; None if it is gone or a zombie."""
    if not _LINUX:
        return _born_elsewhere(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else f"{_boot()}/{fields[19]}"


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""  # Some sandboxes do not have it.


def _born_elsewhere(pid: int) -> str | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.3f}"
    except psutil.Error:
        return None


def _record(process: Process, pid: int, records: Path) -> None:
    record = {
        "name": process.name,
        "pid": pid,
        "born": born(pid),
        "data": str(records.parent),
        "program": os.path.realpath(process.argv[0]),
        "stop_signal": int(process.stop_signal),
        "hurry_signal": int(process.hurry_signal),
    }
    write_atomically(records / f"{process.name}.pid.json", json.dumps(record).encode(), durable=False)


def forget(name: str, records: Path) -> None:
    """Remove the record of a process that ended; one that stays names a process that is not there."""
    with suppress(OSError):
        (records / f"{name}.pid.json").unlink(missing_ok=True)
