"""The application as a web server's process starts it."""

import multiprocessing
import os

from service import failpoints, log
from service.app import create_app
from service.front import Front
from service.parent import end_with_parent
from service.settings import Settings
from service.store.database import Database
from service.web import metrics
from service.web.read_shortcut import ReadShortcut
from service.web.submission_shortcut import SubmissionShortcut

_log = log.get(__name__)


def application() -> Front:
    """The application of one web process; called by granian inside that process."""
    server = multiprocessing.parent_process()
    end_with_parent(None if server is None else server.pid)  # else it would hold the port for ever
    failpoints.arm(os.environ.get("COMITY_FAILPOINTS", ""))
    settings = Settings.read(os.environ, "web")
    log.configure(os.environ.get("COMITY_PROCESS", "web"), settings.log_level)
    app = create_app(settings)
    if settings.metrics_port:
        _serve_metrics(settings, app.extensions["comity"].database)
    _log.info("web_ready", port=settings.port)
    services = app.extensions["comity"]
    return Front(app, settings.web_threads, reads=ReadShortcut(services), submissions=SubmissionShortcut(services))


def _serve_metrics(settings: Settings, database: Database) -> None:
    """Figures of this process, on the first free one of as many ports as there are web processes."""
    for port in range(settings.metrics_port, settings.metrics_port + settings.web_processes):
        try:
            metrics.serve(settings.host, port, database)
        except OSError:
            continue
        _log.info("metrics_ready", port=port)
        return
    _log.error("metrics_port_in_use", port=settings.metrics_port, ports=settings.web_processes)
