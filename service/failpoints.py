"""Places where tests make a process die, wait or fail. Off, and a single comparison, unless a test switches them on."""

import os
import signal
import time

#: name -> action: "kill", "stop", "raise", "sleep:SECONDS", each with an optional "@TEXT" that must occur in the data.
_ACTIONS: dict[str, str] = {}


class Failed(Exception):
    """Raised by a failpoint that was asked to raise."""


def arm(specification: str) -> None:
    """Switch points on: "judged=kill,scoring=raise@poison". Only a process's entry point calls this."""
    for part in filter(None, specification.split(",")):
        name, _, action = part.partition("=")
        _ACTIONS[name] = action


def hit(name: str, *data: str) -> None:
    """A place that may be made to fail."""
    if not _ACTIONS:
        return
    action, _, needle = _ACTIONS.get(name, "").partition("@")
    if not action or (needle and not any(needle in item for item in data)):
        return
    verb, _, argument = action.partition(":")
    if verb == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if verb == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if verb == "sleep":
        time.sleep(float(argument))
    if verb == "raise":
        raise Failed(name)
