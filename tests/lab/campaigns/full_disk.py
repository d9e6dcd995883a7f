"""The disk of the database fills up under load, in a small file system of its own, and gets room again."""

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.house import wait_for
from tests.lab.campaign import Outcome, sized
from tests.lab.checker import Finding
from tests.lab.laboratory import REPOSITORY, Lab, laboratory, scratch

MEGABYTES = 220
INSIDE = "LAB_INSIDE"  # set in a process that was started in a user namespace of its own, and may mount there
_LIBC = ctypes.CDLL(None, use_errno=True)
MNT_DETACH = 2


class NoMount(Exception):
    """Raised when this process may not mount a file system."""


def full_disk(lab: Lab, factor: float) -> Outcome:
    """In this process if it may mount, else in a user namespace. Where neither goes, the campaign fails."""
    try:
        return _here(factor)
    except NoMount as error:
        if INSIDE in os.environ:
            raise
        return _elsewhere(factor, error)


def _elsewhere(factor: float, why: NoMount) -> Outcome:
    unshare = ["unshare", "--user", "--map-current-user", "--keep-caps", "--mount"]
    with scratch() as folder:
        findings = folder / "findings.json"
        words = ["--factor", str(factor), "--only", "full-disk", "--findings", str(findings)]
        try:
            done = subprocess.run(
                [*unshare, sys.executable, "-m", "tests.lab", *words], cwd=REPOSITORY, capture_output=True, text=True,
                env={**os.environ, INSIDE: "1"}, check=False,
            )  # fmt: skip
            said = (done.stdout + done.stderr).strip()
        except OSError as error:
            said = str(error)
        if not findings.exists():
            raise NoMount(
                f"A small disk needs the right to mount ({why}): run as root, or allow user namespaces. {said[-300:]}"
            )
        found = [Finding(*one) for one in json.loads(findings.read_text(encoding="utf-8"))]
    return Outcome("in a user namespace", said.splitlines()[0], found)


def _here(factor: float) -> Outcome:
    rounds = sized(20, factor, 1)
    with _small_disk() as folder, laboratory(data=folder / "data") as lab:
        lab.begin()
        lab.start("web", "relay_1", "worker")
        lab.worker_ready()
        for _ in range(rounds):
            _fill_and_free(lab, folder)
        lab.settle()
        found = Outcome(
            f"full {rounds:,} times, on a disk of {MEGABYTES} MB",
            f"{lab.taken():,} accepted, {lab.journal.count('submit', 'unknown'):,} times 503 or no answer",
        )
        found.demand(lab.journal.count("submit", "unknown") > 0, "the disk was full", "nobody was refused")
        found.findings += lab.check()
    return found


def _fill_and_free(lab: Lab, folder: Path) -> None:
    """No room until submissions fail; then room, and a database that is started again if it ended."""
    filler, before = folder / "filler", lab.journal.count("submit", "unknown")
    with lab.crowd(readers=1, moderators=1) as crowd:
        wait_for(lambda: lab.taken() >= 20, 30, "load")
        with filler.open("wb", buffering=0) as file:
            _write_until_full(file.fileno())
            wait_for(lambda: _refused(lab, file.fileno()) > before or not crowd.busy, 120, "the disk is full")
        filler.unlink()
        if not lab.house.servers.postgres.running:
            lab.house.servers.postgres.start()
        taken = lab.taken()
        wait_for(lambda: lab.taken() > taken + 10 or not crowd.busy, 60, "comments are accepted again")
        crowd.stop()


def _refused(lab: Lab, file: int) -> int:
    """Submissions without a known outcome; what became free meanwhile is taken again."""
    _write_until_full(file)
    return lab.journal.count("submit", "unknown")


def _write_until_full(file: int) -> None:
    for size in (2**20, 2**12):
        try:
            while os.write(file, bytes(size)) == size:
                pass
        except OSError:
            continue


@contextmanager
def _small_disk() -> Iterator[Path]:
    with scratch() as folder:
        if _LIBC.mount(b"none", bytes(folder), b"tmpfs", 0, f"size={MEGABYTES}m,mode=711".encode()):
            raise NoMount(os.strerror(ctypes.get_errno()))
        try:
            yield folder
        finally:
            _LIBC.umount2(bytes(folder), MNT_DETACH)
