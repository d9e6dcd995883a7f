"""The web process: granian around the application. Imports nothing of it: only its children need that."""

import multiprocessing
import os
import resource
import signal
import sys
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels

from service import log
from service.parent import HURRY
from service.settings import Settings, SettingsError

EX_CONFIG = 78
CONNECTIONS = 4096  # of one process, idle ones and slow ones included
_OTHER_FILES = 256

_log = log.get(__name__)


def serve(settings: Settings) -> None:
    """Serve until told to stop."""
    server = Granian(
        "service.wsgi:application",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.RSGI,
        loop=Loops.uvloop,
        workers=settings.web_processes,
        runtime_threads=1,
        backlog=1024,
        backpressure=_connections(),
        http=HTTPModes.http1,  # while it guesses at the version, granian waits without a limit
        http1_settings=HTTP1Settings(header_read_timeout=10_000, max_buffer_size=64 * 1024),
        websockets=False,
        log_enabled=True,
        log_level=LogLevels.error,
        respawn_failed_workers=True,
        factory=True,
        workers_kill_timeout=10,
    )
    signal.signal(HURRY, signal.SIG_IGN)  # inherited: a process that is still starting must not end by it
    server.on_startup(lambda: _hurry_before_stopping(server))
    server.serve()


def _hurry_before_stopping(server: Any) -> None:
    """Granian waits for whoever is sending; its processes are told first that those who are slow need not be."""

    def stop(*_: object) -> None:
        for child in multiprocessing.active_children():
            if child.pid is not None:
                os.kill(child.pid, HURRY)
        server.signal_handler_interrupt()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def _connections() -> int:
    """How many connections a process may hold; each is an open file, so as many as the system allows are asked for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + _OTHER_FILES
    if resource.RLIM_INFINITY != soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return CONNECTIONS if soft == resource.RLIM_INFINITY else max(128, min(CONNECTIONS, soft - _OTHER_FILES))


def main() -> int:
    """Read the settings and serve."""
    try:
        settings = Settings.read(os.environ, "web")
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EX_CONFIG
    log.configure(os.environ.get("COMITY_PROCESS", "web"), settings.log_level)
    serve(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
