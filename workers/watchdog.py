"""Ends a worker that went deaf: rings pile up or relays do its work, and it claims nothing."""

import os
import signal
import threading

import psycopg

from service import log
from service.ring import Bell
from service.settings import Settings
from service.store import claims
from service.store.claims import Backlog
from service.store.database import conninfo

DEAF_SECONDS = 20.0
_EVERY = 4.0

_log = log.get(__name__)


def deaf(backlog: Backlog) -> bool:
    """Whether no worker has heard a ring for too long: work was due, or a relay did it, and none claimed."""
    if backlog.worker < DEAF_SECONDS:
        return False
    return (backlog.due and backlog.delay >= DEAF_SECONDS) or backlog.relay + DEAF_SECONDS < backlog.worker < 1e9


def start(settings: Settings) -> None:
    """Watch from a thread of the worker's parent process."""
    threading.Thread(target=_watch, args=(settings,), name="watchdog", daemon=True).start()


def _watch(settings: Settings) -> None:
    pause = threading.Event()
    bell = Bell(settings.broker_url)
    since = 0.0  # how long it looked deaf
    while not pause.wait(_EVERY):
        backlog = _backlog(settings.database_url)
        if backlog is None or not deaf(backlog) or bell.waiting() is None:
            since = 0.0
            continue
        since += _EVERY
        if since >= _EVERY * 2:
            _log.error("worker_deaf", delay=round(backlog.delay, 1), since_claim=round(backlog.worker, 1))
            os.kill(os.getpid(), signal.SIGTERM)
            pause.wait(25.0)
            os.kill(os.getpid(), signal.SIGKILL)


def _backlog(url: str) -> Backlog | None:
    """A look on a connection of its own, closed at once: the parent forks, and children must not inherit one."""
    try:
        with psycopg.connect(**conninfo(url, "worker"), autocommit=True) as connection:
            return claims.backlog(connection)
    except psycopg.Error:
        return None
