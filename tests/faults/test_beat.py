"""Real processes come round as long as they can do their work, and stop when they cannot."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.house import GO, STOP, House, house, wait_for
from workers.beat import EVERY, age


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the processes' files lie, named like them."""
    return tmp_path_factory.mktemp("beats")


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[House]:
    """A worker and a relay that each touch a file of their own."""
    with house(worker={"COMITY_BEAT": str(folder / "worker")}, relay={"COMITY_BEAT": str(folder / "relay")}) as made:
        yield made


def _comes_round(path: Path, seconds: float) -> None:
    """Wait for a fresh touch: one after now."""
    began = time.time()
    wait_for(lambda: path.exists() and path.stat().st_mtime > began, seconds, f"the {path.name} comes round")


def _falls_silent(path: Path, seconds: float) -> None:
    wait_for(lambda: (age(path) or 0) > EVERY * 2.5, seconds, f"the {path.name} falls silent")


@pytest.mark.parametrize("name", ["worker", "relay"])
def test_a_frozen_process_falls_silent(running: House, folder: Path, name: str) -> None:
    """The file is touched while the process runs, not while it is stopped."""
    _comes_round(folder / name, 30)
    os.kill(running.processes[name].pid, STOP)
    try:
        _falls_silent(folder / name, 15)
    finally:
        os.kill(running.processes[name].pid, GO)
    _comes_round(folder / name, 10)


def test_a_worker_cut_off_from_the_broker_falls_silent(running: House, folder: Path) -> None:
    """It hears nothing then; after the broker is back it comes round again. The relay does without a broker."""
    _comes_round(folder / "worker", 30)
    running.servers.valkey.kill()
    try:
        _falls_silent(folder / "worker", 30)
        _comes_round(folder / "relay", 10)
    finally:
        running.servers.valkey.start()
    _comes_round(folder / "worker", 60)


def test_a_relay_cut_off_from_the_database_falls_silent(running: House, folder: Path) -> None:
    """A round without the database is none."""
    _comes_round(folder / "relay", 30)
    running.servers.postgres.kill()
    try:
        _falls_silent(folder / "relay", 30)
    finally:
        running.servers.postgres.start()
    _comes_round(folder / "relay", 30)
