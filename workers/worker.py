"""Starts a Celery worker: `python -m workers.worker`."""

import os
import sys
import warnings

os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")  # Celery reads it when imported: SIGTERM then ends softly

from celery.platforms import SecurityWarning

from classifier import ModelError, load
from service import log
from service.checks import Finding, Level, refusal
from workers import app as worker_app
from workers.entry import EX_CONFIG, begin

_log = log.get("workers.worker")


def main() -> int:
    """Work until told to stop."""
    settings = begin("worker")
    try:
        model = load(settings.model_path)
    except ModelError as error:  # a relay's stand-in sends everything to a human meanwhile
        bad = Finding("model", Level.FAIL, str(error), "Put the file and its .sha256 back, or unset COMITY_MODEL.")
        print(refusal([bad]), file=sys.stderr)
        return EX_CONFIG
    app = worker_app.create(settings)
    app.comity_model = model
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
