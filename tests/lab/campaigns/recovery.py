"""How soon all is decided after the end of any single fault."""

import time

from tests.lab.campaign import Outcome
from tests.lab.laboratory import DEADLINE, Lab
from tests.lab.nemeses import FAULTS

RATE = 20.0


def recovery(lab: Lab, factor: float) -> Outcome:
    """One fault after the other under load; each gets a service that is well."""
    chosen = [name for name, (_, short) in FAULTS.items() if short or factor >= 0.05]
    seconds = {name: _measure(lab, name) for name in chosen}
    worst = max(seconds, key=lambda name: seconds[name])
    found = Outcome(f"{len(chosen)} faults", f"slowest verdict {seconds[worst]:.1f} s after the end of: {worst}")
    found.details = [f"{name}: {took:.1f} s" for name, took in seconds.items()]
    for name, took in seconds.items():
        found.demand(took <= DEADLINE, "every comment decided within 10 s", f"{took:.1f} s after: {name}")
    return found


def _measure(lab: Lab, name: str) -> float:
    """Seconds from the end of a fault, or a later arrival, to the last verdict."""
    house = lab.house
    for one in ("web", "relay_1", "relay_2", "worker"):
        if one not in house.processes or house.processes[one].poll() is not None:
            house.kill(one)
            lab.start(one)
    lab.submit(10)
    lab.settle()
    _worker_claims(lab)
    fault, _ = FAULTS[name]
    with lab.crowd(rate=RATE, visitors=2, moderators=0) as crowd:
        fault(lab)
        ended = time.time()
        time.sleep(1.0)
        crowd.stop()
    lab.settle()
    return lab.slowest(ended)


def _worker_claims(lab: Lab) -> None:
    """Wait until it is the worker that judges: only then is the next fault a single one."""
    recently = "SELECT FROM comity.pulse WHERE process LIKE 'worker:%' AND claimed_at > now() - interval '2 seconds'"
    until = time.monotonic() + 90
    while time.monotonic() < until:
        lab.quiet()
        lab.submit(1)
        lab.settle()
        if lab.house.rows(recently):
            return
    raise AssertionError("no worker judges 90 s after a fault")
