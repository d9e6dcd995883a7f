"""Whether the worker or the relay of this container works: `python -m workers.health worker|relay`.

Exit code 0 if so; otherwise 1, with the reason in one sentence. Asked every few seconds, so it imports no Celery.
"""

import os
import sys

from service.settings import Settings, SettingsError
from workers import beat, deafness

KINDS = ("worker", "relay")
EX_USAGE = 64


def trouble(kind: str, settings: Settings) -> str | None:
    """Why a process of this kind cannot do its work; None when it can."""
    path = settings.beat_path
    if path is None:
        return "COMITY_BEAT is not set, so nothing tells whether the process works."
    silent = beat.age(path)
    if silent is None or silent > beat.SILENCE:
        since = "since it started" if silent is None else f"for {silent:.0f} s"
        return f"The {kind} has not come round {since}: it hangs, is cut off, or went deaf."
    backlog = deafness.look(settings.database_url, kind)
    if backlog is None:
        return "The database does not answer."
    if kind == "worker" and deafness.deaf(backlog):
        return f"Work is due, and no worker has claimed any for {backlog.worker:.0f} s."
    return None


def main(arguments: list[str]) -> int:
    """Look once."""
    if len(arguments) != 1 or arguments[0] not in KINDS:
        return _say(f"usage: python -m workers.health {'|'.join(KINDS)}", EX_USAGE)
    try:
        found = trouble(arguments[0], Settings.read(os.environ, arguments[0]))
    except SettingsError as error:
        found = str(error)
    return 0 if found is None else _say(found, 1)


def _say(sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
