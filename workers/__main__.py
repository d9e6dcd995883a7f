"""Starts a worker or a relay: `python -m workers worker`, `python -m workers relay`."""

import os
import signal
import sys
import threading

os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")  # Celery reads it when imported: SIGTERM then ends softly

from service import failpoints, log
from service.settings import Settings, SettingsError
from workers import app as worker_app
from workers import relay

EX_USAGE, EX_CONFIG = 64, 78


def main(arguments: list[str]) -> int:
    """Run the process kind named in `arguments` until it is told to stop."""
    if arguments not in (["worker"], ["relay"]):
        print("usage: python -m workers worker|relay", file=sys.stderr)
        return EX_USAGE
    kind = arguments[0]
    try:
        settings = Settings.read(os.environ, kind)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EX_CONFIG
    log.configure(os.environ.get("COMITY_PROCESS", kind), settings.log_level)
    if kind == "worker":
        app = worker_app.create(settings)
        worker = app.Worker(
            without_gossip=True, without_mingle=True, without_heartbeat=True, loglevel="WARNING", quiet=True
        )
        worker.start()
        return int(worker.exitcode or 0)
    failpoints.arm(os.environ.get("COMITY_FAILPOINTS", ""))
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(name, lambda *_: stop.set())
    relay.run(settings, stop)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
