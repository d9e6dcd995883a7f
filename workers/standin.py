"""The stand-in (`python -m workers.standin PARENT`): a relay starts it to judge comments while no worker hears rings.

A process of its own keeps the relay small, and a text that kills its reader cannot kill the relay. One on which it
hangs ends it after the time that a worker's task has, and the relay starts it again.
"""

import faulthandler
import sys
import threading

from service import log
from service.parent import end_with_parent
from service.settings import Settings
from service.store.database import Busy, Database, Unavailable
from workers import scorer, second_look
from workers.entry import begin, stop_event
from workers.judging import TIME_LIMIT, Judge

EVERY = 0.1  # seconds between two looks when nothing was due

_log = log.get("workers.standin")


def run(settings: Settings, stop: threading.Event) -> None:
    """The process itself: judge whatever is due until `stop` is set."""
    database = Database(settings.database_url, "relay", 2)
    second = second_look.find(settings.tier2_path, settings.tier2_band)
    judge = Judge(database, scorer.load_or_none(settings.model_path), settings.batch, kind="relay", second=second)
    _log.info("stand_in_ready")
    while not stop.is_set():
        # From a thread of C's own, so that it ends this process even where the one that hangs lets no Python run.
        faulthandler.dump_traceback_later(TIME_LIMIT, exit=True)
        try:
            more = judge.pass_once()
        except (Unavailable, Busy):
            more = False
        finally:
            faulthandler.cancel_dump_traceback_later()
        if not more:
            stop.wait(EVERY)
    database.close()


if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    run(begin("stand-in", "relay"), stop_event())
