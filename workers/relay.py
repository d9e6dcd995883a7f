"""The relay: rings for due rows, runs jobs, has endpoints told, and has the queue worked when nobody does.

Any number may run; each does the same, and none is needed as long as another one lives.
"""

import os
import random
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

from service import failpoints, log
from service.ring import Bell
from service.settings import Settings
from service.store import claims, jobs, presence, sending
from service.store.claims import Backlog
from service.store.database import Busy, Connection, Database, Unavailable
from workers.beat import Beat
from workers.entry import EX_CONFIG, begin, stop_event

EVERY = 0.15  # seconds between two looks
RINGS = 20  # rings that may wait in the broker before a relay stops adding to them
PATIENCE = 5.0  # seconds without any worker's claim before a relay works itself
BROKER_PATIENCE = 30.0
SENDER_PAUSE = 5.0  # seconds between two starts of a sender
GRACE = 10.0  # seconds that a helper has to finish what it has in hand
SENDER_GRACE = 30.0  # a sender: longer than a message may take; whoever stops a relay gives it more than both
HOPELESS_PAUSE = 300.0

_log = log.get("workers.relay")


class Helper:
    """A process below the relay that does what would make the relay large: `python -m MODULE PARENT`."""

    def __init__(self, module: str, pause: float = 0.0, grace: float = GRACE) -> None:
        """pause: seconds from one start to the next at least: one that ends at once is not started all the time.

        grace: seconds that it has to end once it was asked to.
        """
        self._module, self._pause, self._grace = module, pause, grace
        self._process: subprocess.Popen[bytes] | None = None
        self._started = float("-inf")
        self._asked: float | None = None  # when it was asked to end

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return self._process is not None and self._process.poll() is None

    def work(self) -> None:
        """Have it running; one that ended is started again, one that cannot run with these settings after minutes."""
        if self.running:
            return
        hopeless = self._process is not None and self._process.returncode == EX_CONFIG
        if time.monotonic() - self._started < (HOPELESS_PAUSE if hopeless else self._pause):
            return
        if self._process is not None and self._process.returncode != 0:
            _log.warning("helper_ended", helper=self._module, code=self._process.returncode)
        self._started, self._asked = time.monotonic(), None
        command = [sys.executable, "-m", self._module, str(os.getpid())]
        self._process = subprocess.Popen(command)  # noqa: S603 - all of it is ours

    def ask_to_rest(self) -> None:
        """Ask it to end, and return at once."""
        if self._process is not None and self._asked is None:
            self._process.terminate()
            self._asked = time.monotonic()

    def rest(self) -> None:
        """End it, softly; what it has in hand is finished."""
        self.ask_to_rest()
        if self._process is None or self._asked is None:
            return
        try:
            self._process.wait(max(0.0, self._asked + self._grace - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


@dataclass(slots=True)
class Relay:
    """One relay's state. `working`: its stand-in judges comments until a worker claims again.

    sender: tells endpoints; it ends by itself when there is nothing to tell.
    """

    database: Database
    bell: Bell
    stand_in: Helper
    sender: Helper
    working: bool = False
    process: str = field(init=False)
    _silent: float = 0.0  # seconds the broker has not answered
    _seen: float = float("-inf")  # when it last said that it is there

    def __post_init__(self) -> None:
        self.process = f"relay:{socket.gethostname()}:{os.getpid()}"

    def step(self, elapsed: float) -> None:
        """One look at queue and jobs; `elapsed` seconds passed since the last one."""
        with self.database.connection() as connection:
            backlog = claims.backlog(connection)
            self._be_seen(connection)
            if not self.sender.running and sending.due(connection):
                self.sender.work()
        if backlog.due:
            self._ring(elapsed)
        self._decide_to_work(backlog)
        if self.working:
            self.stand_in.work()
        self._do_jobs()

    def _do_jobs(self) -> None:
        """Each job at most once in a round: one that is due again at once must not keep this relay from ringing."""
        try:
            for _ in jobs.JOBS:
                if jobs.run_due(self.database) is None:
                    return
        except jobs.Failed as error:
            _log.warning("job_failed", job=str(error), cause=type(error.__cause__).__name__)

    def _be_seen(self, connection: Connection) -> None:
        now = time.monotonic()
        if now - self._seen >= presence.EVERY:
            presence.note(connection, self.process)
            self._seen = now

    def _ring(self, elapsed: float) -> None:
        waiting = self.bell.waiting()
        self._silent = self._silent + elapsed if waiting is None else 0.0
        if waiting is not None and waiting < RINGS:
            self.bell.ring()

    def _decide_to_work(self, backlog: Backlog) -> None:
        unheard = backlog.due and backlog.delay >= PATIENCE and backlog.worker >= PATIENCE
        if not self.working and (unheard or self._silent >= BROKER_PATIENCE):
            _log.warning("relay_works", delay=round(backlog.delay, 1), broker_silent=round(self._silent, 1))
            self.working = True
        elif self.working and backlog.worker < PATIENCE and self._silent < BROKER_PATIENCE:
            _log.info("relay_rests")
            self.working = False
            self.stand_in.rest()


def run(settings: Settings, stop: threading.Event) -> None:
    """Relay until `stop` is set. A database that is away is waited for."""
    helpers = Helper("workers.standin"), Helper("workers.sender", SENDER_PAUSE, SENDER_GRACE)
    relay = Relay(Database(settings.database_url, "relay", 2), Bell(settings.broker_url), *helpers)
    beat = Beat(settings.beat_path)
    away = False
    looked = time.monotonic()
    _log.info("relay_ready")
    while not stop.wait(EVERY * random.uniform(0.8, 1.2)):  # so that two relays do not step in time
        failpoints.hit("relay")
        try:
            elapsed, looked = time.monotonic() - looked, time.monotonic()
            relay.step(elapsed)
            beat.touch()
            away = False
        except (Unavailable, Busy) as error:
            if not away:
                _log.warning("database_away", error=type(error).__name__)
            away = True
            stop.wait(0.5)
        except Exception:
            _log.error("relay_failed", exc_info=True)
            stop.wait(1.0)
    for helper in helpers:
        helper.ask_to_rest()
    for helper in helpers:
        helper.rest()
    relay.database.close()


if __name__ == "__main__":
    run(begin("relay"), stop_event())
