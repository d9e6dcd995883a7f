"""What every process of this package does first, and how it is told to stop."""

import os
import signal
import sys
import threading

from service import failpoints, log
from service.settings import Settings, SettingsError

EX_CONFIG = 78


def begin(kind: str, role: str | None = None) -> Settings:
    """The settings of a process of this kind, with its log set up. Ends the process when a setting is wrong.

    role: whose settings it has, where that is another kind's.
    """
    try:
        settings = Settings.read(os.environ, role or kind)
    except SettingsError as error:
        print(error, file=sys.stderr)
        sys.exit(EX_CONFIG)
    log.configure(os.environ.get("COMITY_PROCESS", kind) + ("" if role is None else f" {kind}"), settings.log_level)
    failpoints.arm(os.environ.get("COMITY_FAILPOINTS", ""))
    return settings


def stop_event() -> threading.Event:
    """An event that is set when a signal asks this process to stop."""
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(name, lambda *_: stop.set())
    return stop
