"""What hurts: each kills, stops, empties or cuts something, and most mend it again."""

import contextlib
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.faults.house import GO, STOP, House, wait_for
from tests.lab.laboratory import Lab

CLOCK = Path(__file__).with_name("clock")  # a folder whose sitecustomize.py shifts a process's clock
FAULT = 3.0  # seconds that a fault of some length lasts
LEASES = 12.5  # seconds: more than two leases


def kill_child(house: House, dice: random.Random, name: str = "worker") -> bool:
    """SIGKILL one of a worker's children; False when it has none just now.

    A worker whose children die before they are up ends itself; whoever supervises it starts it again.
    """
    house.revive(name)
    with contextlib.suppress(psutil.NoSuchProcess, IndexError):
        dice.choice(house.children(name)).kill()
        return True
    return False


def kill_again(lab: Lab, name: str, **environ: str) -> None:
    """SIGKILL a process with all below it, and start it as whoever supervises it does."""
    lab.house.kill(name)
    lab.start(name, **environ)


def freeze(house: House, name: str, seconds: float = LEASES) -> None:
    """SIGSTOP a process and all below it for so long."""
    first = psutil.Process(house.processes[name].pid)
    frozen = [first, *first.children(recursive=True)]
    _signal(frozen, STOP)
    time.sleep(seconds)
    _signal(frozen, GO)


def _signal(processes: list[psutil.Process], number: int) -> None:
    for one in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.send_signal(number)


def broker_emptied(house: House) -> None:
    """All that the broker holds is gone."""
    house.servers.broker_command("FLUSHALL")


def broker_restarted_empty(house: House, seconds: float = 0.0) -> None:
    """The broker is killed, and comes back after so long without anything it knew."""
    house.servers.valkey.kill()
    shutil.rmtree(house.folder / "data/valkey/appendonlydir", ignore_errors=True)
    time.sleep(seconds)
    house.servers.valkey.start()


def broker_down(house: House, seconds: float = FAULT) -> None:
    """There is no broker for so long."""
    house.servers.valkey.kill()
    time.sleep(seconds)
    house.servers.valkey.start()


def broker_frozen(house: House, seconds: float = FAULT) -> None:
    """The broker takes connections and answers nothing for so long."""
    house.servers.valkey.pause()
    time.sleep(seconds)
    house.servers.valkey.resume()


def broker_full(house: House, seconds: float = FAULT) -> None:
    """The broker refuses every write for so long."""
    house.servers.broker_command("CONFIG", "SET", "maxmemory", "1")
    time.sleep(seconds)
    house.servers.broker_command("CONFIG", "SET", "maxmemory", "64mb")


def database_stopped(house: House, seconds: float = 0.0) -> None:
    """PostgreSQL's immediate stop (as `pg_ctl stop -m immediate`), and a start after so long."""
    house.servers.postgres.stop_immediate()
    time.sleep(seconds)
    house.servers.postgres.start()


def database_frozen(house: House, seconds: float = FAULT) -> None:
    """PostgreSQL answers nothing for so long."""
    house.servers.postgres.pause()
    time.sleep(seconds)
    house.servers.postgres.resume()


def clock(hours: float) -> dict[str, str]:
    """Environment of a process whose clock is wrong by so many hours, as far as Python code reads it."""
    path = os.pathsep.join(filter(None, [str(CLOCK), os.environ.get("PYTHONPATH", "")]))
    return {"PYTHONPATH": path, "LAB_CLOCK_OFFSET": str(hours * 3600)}


#: Single faults after which every comment has to be decided within ten seconds: each returns at its end.
Fault = Callable[[Lab], None]


def _again(name: str) -> Fault:
    return lambda lab: kill_again(lab, name)


def _worker_gone(lab: Lab) -> None:
    """Killed, and nobody starts it again: relays have to notice."""
    lab.house.kill("worker")


def _of_house(nemesis: Callable[[House], None]) -> Fault:
    return lambda lab: nemesis(lab.house)


def _clock_jumps(lab: Lab) -> None:
    for name, hours in (("web", -1.0), ("worker", 1.0), ("relay_1", -1.0)):
        kill_again(lab, name, **clock(hours))


#: By name. The short form takes those that say so.
FAULTS: dict[str, tuple[Fault, bool]] = {
    "a child killed": (lambda lab: wait_for(lambda: kill_child(lab.house, random.Random(1)), 10, "a child"), True),
    "the worker killed": (_again("worker"), True),
    "the worker killed for good": (_worker_gone, False),
    "the worker stopped for two leases": (lambda lab: freeze(lab.house, "worker"), False),
    "a relay killed": (_again("relay_1"), False),
    "web killed": (_again("web"), False),
    "the broker emptied": (_of_house(broker_emptied), False),
    "the broker restarted empty": (_of_house(broker_restarted_empty), True),
    "the broker down": (_of_house(broker_down), False),
    "the broker frozen": (_of_house(broker_frozen), False),
    "the broker full": (_of_house(broker_full), False),
    "the database stopped at once": (_of_house(database_stopped), True),
    "the database frozen": (_of_house(database_frozen), False),
    "clocks an hour off": (_clock_jumps, False),
}
