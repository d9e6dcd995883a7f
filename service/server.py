"""The web process: granian around the application."""

import ctypes
import os
import signal
import sys

from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings

from service import failpoints, log
from service.app import create_app
from service.settings import Settings, SettingsError
from service.web import metrics

EX_CONFIG = 78

_log = log.get(__name__)


def serve(settings: Settings) -> None:
    """Serve until told to stop."""
    server = Granian(
        "service.server:application",
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
        log_level="warning",
        respawn_failed_workers=True,
        factory=True,
        workers_kill_timeout=10,
    )
    server.serve()


def application() -> object:
    """The application of one web process; called by granian inside that process."""
    _end_with_parent()
    failpoints.arm(os.environ.get("COMITY_FAILPOINTS", ""))
    settings = Settings.read(os.environ, "web")
    log.configure(os.environ.get("COMITY_PROCESS", "web"), settings.log_level)
    app = create_app(settings)
    if settings.metrics_port:
        try:
            metrics.serve(settings.host, settings.metrics_port, app.extensions["comity"].database)
        except OSError as error:
            _log.error("metrics_port_in_use", port=settings.metrics_port, error=type(error).__name__)
    _log.info("web_ready", port=settings.port)
    return app


def _end_with_parent() -> None:
    """On Linux, be killed when the parent dies: else this process would hold the port for ever."""
    if sys.platform != "linux":
        return
    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)


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
