"""Ends a worker that went deaf, so that whoever supervises it starts another one."""

import os
import signal
import threading

from service import log
from service.ring import Bell
from service.settings import Settings
from workers.deafness import deaf, look

_EVERY = 4.0

_log = log.get(__name__)


def start(settings: Settings) -> None:
    """Watch from a thread of the worker's parent process."""
    threading.Thread(target=_watch, args=(settings,), name="watchdog", daemon=True).start()


def _watch(settings: Settings) -> None:
    pause = threading.Event()
    bell = Bell(settings.broker_url)
    since = 0.0  # how long it looked deaf
    while not pause.wait(_EVERY):
        backlog = look(settings.database_url, "worker")
        if backlog is None or not deaf(backlog) or bell.waiting() is None:
            since = 0.0
            continue
        since += _EVERY
        if since >= _EVERY * 2:
            _log.error("worker_deaf", delay=round(backlog.delay, 1), since_claim=round(backlog.worker, 1))
            os.kill(os.getpid(), signal.SIGTERM)
            pause.wait(25.0)
            os.kill(os.getpid(), signal.SIGKILL)
