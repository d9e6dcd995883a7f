"""Starts a Celery worker: `python -m workers.worker`."""

import os
import sys

os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")  # Celery reads it when imported: SIGTERM then ends softly

from workers import app as worker_app
from workers.entry import begin


def main() -> int:
    """Work until told to stop."""
    app = worker_app.create(begin("worker"))
    worker = app.Worker(
        without_gossip=True, without_mingle=True, without_heartbeat=True, loglevel="WARNING", quiet=True
    )
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    sys.exit(main())
