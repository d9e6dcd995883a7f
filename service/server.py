"""The web process: granian around the application. Imports nothing of it: only its children need that."""

import os
import sys

from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from service import log
from service.settings import Settings, SettingsError

EX_CONFIG = 78

_log = log.get(__name__)


def serve(settings: Settings) -> None:
    """Serve until told to stop."""
    server = Granian(
        "service.wsgi:application",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=settings.web_processes,
        blocking_threads=settings.web_threads,
        runtime_threads=1,
        backlog=1024,
        http1_settings=HTTP1Settings(header_read_timeout=10_000),
        websockets=False,
        log_enabled=True,
        log_level=LogLevels.error,  # its warning at start counts threads that wait for the database
        respawn_failed_workers=True,
        factory=True,
        workers_kill_timeout=10,
    )
    server.serve()


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
