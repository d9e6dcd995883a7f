"""What a web process, a worker or a relay does first: look at its settings and servers, and refuse what is bad.

`python -m service.preflight web|worker|relay` looks, and becomes the process when nothing is known to be bad. What
cannot be reached is said in the log and does not hinder: servers may come later. Exit code 78 with every refusal by
name and what to change.
"""

import os
import sys
from collections.abc import Iterator

from service import checks, log, probes
from service.checks import Finding, Level
from service.domain.contact import Indexer
from service.kinds import MODULES
from service.settings import Settings, SettingsError
from service.store.database import Forbidden
from service.store.inspection import standing

EX_USAGE, EX_CONFIG = 64, 78

_log = log.get(__name__)


def findings(settings: Settings, kind: str) -> Iterator[Finding]:
    """What a process of this kind finds around it, as its own role."""
    yield from _database(settings, kind)
    yield from checks.broker(probes.broker(settings.broker_url))


def _database(settings: Settings, kind: str) -> Iterator[Finding]:
    fingerprint = Indexer(settings.index_key).fingerprint if kind == "web" else None
    try:
        found = standing(settings.database_url, kind, fingerprint)
    except Forbidden:
        remedy = "Name the role of this process in COMITY_DATABASE_URL, or restore the grants of the migrations."
        yield Finding("COMITY_DATABASE_URL", Level.FAIL, f"its role may not do what a {kind} has to", remedy)
        return
    if found is None:
        remedy = "Start it, run `comity migrate`, or mend COMITY_DATABASE_URL; until then its settings are not known."
        yield Finding("PostgreSQL", Level.WARN, "does not answer, or has no schema", remedy)
        return
    yield from checks.server(found.inspection)
    yield from checks.session(found, kind)
    yield checks.authentication(found.inspection)
    yield checks.connections(found.inspection, settings)
    yield from checks.roles(found.inspection)
    yield from checks.own_key(found)


def main(arguments: list[str]) -> int:
    """Look, and become the process; the exit code when that is not to be."""
    kind = arguments[0] if len(arguments) == 1 else ""
    if kind not in MODULES:
        print(f"usage: python -m service.preflight {'|'.join(MODULES)}", file=sys.stderr)
        return EX_USAGE
    try:
        settings = Settings.read(os.environ, kind)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EX_CONFIG
    log.configure(os.environ.get("COMITY_PROCESS", kind), settings.log_level)
    found = list(findings(settings, kind))
    for one in found:
        if one.level is Level.WARN:
            _log.warning("doubtful", about=one.about, found=one.found, remedy=one.remedy)
    bad = [one for one in found if one.level is Level.FAIL]
    if not bad:
        os.execv(sys.executable, [sys.executable, "-m", MODULES[kind]])  # noqa: S606 - no shell is the point
    print(checks.refusal(bad), file=sys.stderr)
    return EX_CONFIG


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
