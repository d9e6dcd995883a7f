"""The relay: rings for due rows, runs the jobs that need a clock, and works the queue itself when nobody does.

Any number may run; each does the same, and none is needed as long as another one lives.
"""

import random
import threading
from dataclasses import dataclass, field

from service import failpoints, log
from service.ring import Bell
from service.settings import Settings
from service.store import claims, jobs
from service.store.claims import Backlog
from service.store.database import Busy, Database, Unavailable
from workers import scorer
from workers.judging import Judge

EVERY = 0.15  # seconds between two looks
RINGS = 20  # rings that may wait in the broker before a relay stops adding to them
PATIENCE = 5.0  # seconds without any worker's claim before a relay works itself
BROKER_PATIENCE = 30.0

_log = log.get(__name__)


@dataclass(slots=True)
class Relay:
    """One relay's state. `working`: it judges comments itself until a worker claims again."""

    settings: Settings
    database: Database
    bell: Bell
    working: bool = False
    _silent: float = 0.0  # seconds the broker has not answered
    _judge: Judge | None = field(default=None)

    def step(self, elapsed: float) -> None:
        """One look at queue and jobs; `elapsed` seconds passed since the last one."""
        with self.database.connection() as connection:
            backlog = claims.backlog(connection)
        if backlog.due:
            self._ring(elapsed)
        self._decide_to_work(backlog)
        if self.working:
            while self.judge.pass_once():
                pass
        while jobs.run_due(self.database):
            pass

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

    @property
    def judge(self) -> Judge:
        """What this relay judges with; the model is loaded when it is first needed."""
        if self._judge is None:
            model = scorer.load_or_none(self.settings.model_path)
            self._judge = Judge(self.database, model, self.settings.batch, kind="relay")
        return self._judge


def run(settings: Settings, stop: threading.Event) -> None:
    """Relay until `stop` is set. A database that is away is waited for."""
    relay = Relay(settings, Database(settings.database_url, "relay", 2), Bell(settings.broker_url))
    away = False
    _log.info("relay_ready")
    while not stop.wait(EVERY * random.uniform(0.8, 1.2)):  # so that two relays do not step in time
        failpoints.hit("relay")
        try:
            relay.step(EVERY)
            away = False
        except (Unavailable, Busy) as error:
            if not away:
                _log.warning("database_away", error=type(error).__name__)
            away = True
            stop.wait(0.5)
        except Exception:
            _log.error("relay_failed", exc_info=True)
            stop.wait(1.0)
    relay.database.close()
