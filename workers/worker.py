"""Starts a Celery worker: `python -m workers.worker`."""

import os
import sys
import warnings

os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")  # Celery reads it when imported: SIGTERM then ends softly

from celery.platforms import SecurityWarning

from service import log
from workers import app as worker_app
from workers.entry import begin

_log = log.get("workers.worker")


def main() -> int:
    """Work until told to stop."""
    app = worker_app.create(begin("worker"))
    if os.geteuid() == 0:
        _log.warning("runs_as_root", remedy="start the worker as an unprivileged user")
        warnings.simplefilter("ignore", SecurityWarning)  # said above, in one line
    worker = app.Worker(
        without_gossip=True, without_mingle=True, without_heartbeat=True, loglevel="WARNING", quiet=True
    )
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    sys.exit(main())
