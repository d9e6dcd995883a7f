"""Finds and stops what an earlier, killed run left behind.

Where Linux sends the death signal there is rarely anything left; macOS has none, and a machine under load may not have
delivered it yet. A process counts as ours if its recorded number *and* start time *and* data folder fit, or if it is a
PostgreSQL or Valkey whose working folder lies in our data folder. Call only while holding the lock of that folder.
"""

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from service.embedded.errors import StartError
from service.embedded.files import read_own
from service.embedded.process import born

_SERVERS = {"postgres", "valkey-server"}
_GENTLE, _HURRIED = 3.0, 5.0  # seconds


@dataclass(frozen=True)
class Orphan:
    """A process of ours without a parent. `group`: it leads a process group, all of which is ours."""

    name: str
    pid: int
    born: str
    stop_signal: int
    hurry_signal: int
    group: bool

    def alive(self) -> bool:
        """Whether this very process still runs, not another with its number."""
        return born(self.pid) == self.born

    def send(self, number: int) -> None:
        """Signal it, if it is still the one."""
        if not self.alive():
            return
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def end_group(self) -> None:
        """Kill what is left of its group; nobody else can get the number of a group that has members."""
        if self.group:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)


def stop(data: Path, say: Callable[[str], None]) -> list[str]:
    """End every orphan of `data`; the names of those found.

    Web, workers and relays first: they may hold connections that a fast shutdown of PostgreSQL would have to cut.
    """
    found = list(_recorded(data / "run"))
    if found:
        say(f"Stopping what an earlier run left behind: {', '.join(orphan.name for orphan in found)}.")
        _end([orphan for orphan in found if orphan.name not in ("postgres", "valkey")])
        _end(found)
    strays = list(_strays(data, {orphan.pid for orphan in found}))
    _end(strays)
    for record in (data / "run").glob("*.pid.json"):
        record.unlink(missing_ok=True)
    return [orphan.name for orphan in [*found, *strays]]


def stop_strays(folder: Path) -> None:
    """End the servers that work in `folder`; used when one died and its children did not."""
    _end(list(_servers_in(folder)))


def _recorded(records: Path) -> Iterator[Orphan]:
    for path in sorted(records.glob("*.pid.json")):
        record = read_own(path)
        if record is None or record.get("data") != str(records.parent):
            continue
        with suppress(KeyError):  # Of another version of ours.
            yield from _living(record)


def _living(record: dict[str, Any]) -> Iterator[Orphan]:
    """The recorded process, or what is left of its group after its own end."""
    stops = (record["stop_signal"], record["hurry_signal"])
    leader = Orphan(record["name"], record["pid"], record["born"] or "", *stops, group=True)
    if leader.alive():
        yield leader
    elif born(leader.pid) is None and _same_boot(leader.born):
        yield from _members(leader, record["program"])


def _same_boot(birth: str) -> bool:
    own = born(os.getpid()) or ""
    return birth.rpartition("/")[0] == own.rpartition("/")[0]


def _members(leader: Orphan, program: str) -> Iterator[Orphan]:
    """Granian's and Celery's own children outlive them; the program must fit, as a free number may be given again."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError, PermissionError):
            if os.getpgid(process.pid) == leader.pid and process.exe() == program:
                birth = born(process.pid) or ""
                yield Orphan(f"{leader.name}'s child", process.pid, birth, signal.SIGKILL, signal.SIGKILL, group=False)


def _strays(data: Path, known: Iterable[int]) -> Iterator[Orphan]:
    for folder in (data / "postgres", data / "valkey"):
        yield from (orphan for orphan in _servers_in(folder) if orphan.pid not in known)


def _servers_in(folder: Path) -> Iterator[Orphan]:
    """PostgreSQL's processes each lead a session of their own: only the working folder tells whose they are."""
    home = str(folder.resolve())
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter(["name"]):
        with suppress(psutil.Error):
            if process.info["name"] in _SERVERS and process.cwd() == home:
                found[process.pid] = process
    for process in found.values():
        with suppress(psutil.Error):
            # A child whose server lives is the server's to end: a signal to the checkpointer alone does harm.
            if process.ppid() not in found:
                yield _server(process)


def _server(process: psutil.Process) -> Orphan:
    titled = " ".join(process.cmdline()[:1]).startswith("postgres:")  # As only its children are.
    gentle = signal.SIGQUIT if titled else signal.SIGINT
    return Orphan(process.name(), process.pid, born(process.pid) or "", gentle, signal.SIGQUIT, group=False)


def _end(orphans: list[Orphan]) -> None:
    """Ask, hurry, kill. Raises StartError if one survives even that (a process stuck in the kernel)."""
    for orphan in orphans:
        orphan.send(orphan.stop_signal)
        orphan.send(signal.SIGCONT)
    if not _wait(orphans, _GENTLE):
        for orphan in orphans:
            orphan.send(orphan.hurry_signal)
    if not _wait(orphans, _HURRIED):
        for orphan in orphans:
            orphan.send(signal.SIGKILL)
    for orphan in orphans:
        orphan.end_group()
    if not _wait(orphans, _HURRIED):
        names = ", ".join(f"{orphan.name} (process {orphan.pid})" for orphan in orphans if orphan.alive())
        raise StartError(f"An earlier run's {names} cannot be stopped: end it by hand, or restart the machine.")


def _wait(orphans: list[Orphan], seconds: float) -> bool:
    """Whether all were gone within `seconds`."""
    end = time.monotonic() + seconds
    while any(orphan.alive() for orphan in orphans):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
