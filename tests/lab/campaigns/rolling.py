"""Every process replaced by one of the other release, one after the other, while clients go on."""

from pathlib import Path

from tests import releases
from tests.faults.house import ROOT, free_port, wait_for
from tests.lab.campaign import Outcome, sized
from tests.lab.laboratory import FREE, Lab, scratch

WEBS, OTHERS = ("web_1", "web_2"), ("worker_1", "worker_2", "relay_1", "relay_2")
REQUESTS = 1000  # that one rolling restart is to meet at least


def rolling(lab: Lab, factor: float) -> Outcome:
    """From the previous release to this one and back, again and again. Web processes are drained as a proxy does it."""
    rounds = sized(100, factor, 1)
    with scratch() as folder:
        version = releases.previous(folder)
        lab.people.urls.clear()
        webs = {name: _start_web(lab, name, folder) for name in WEBS}
        for name in OTHERS:
            lab.house.start(name, name.partition("_")[0], root=folder, **FREE)
        lab.worker_ready(4)
        with lab.crowd(visitors=3, readers=2, moderators=2) as crowd:
            for number in range(rounds):
                root = folder if number % 2 else ROOT
                _replace_all(lab, webs, root)
                due = REQUESTS * (number + 1)
                wait_for(lambda due=due: _requests(lab) >= due or not crowd.busy, 300, "load")
            crowd.stop()
        lab.settle()
        for name in list(lab.house.processes):
            lab.house.kill(name)  # before the code they run is gone
    away = sum(count for status, count in lab.journal.statuses.items() if status == 0 or status >= 500)
    share = away / max(1, _requests(lab))
    found = Outcome(
        f"{rounds:,} rolling restarts, {_requests(lab):,} requests",
        f"{lab.taken():,} accepted, {away:,} requests 503 or without an answer ({share:.2%}), beside release {version}",
    )
    found.demand(share < 0.001, "503 under 0.1 %", f"{away} of {_requests(lab)} requests: {lab.journal.statuses}")
    return found


def _requests(lab: Lab) -> int:
    return sum(lab.journal.statuses.values())


def _replace_all(lab: Lab, webs: dict[str, str], root: Path) -> None:
    for name in WEBS:
        lab.house.processes[f"{name}_old"] = lab.house.processes.pop(name)
        old, webs[name] = webs[name], _start_web(lab, name, root)
        lab.people.urls.remove(old)  # whoever asks now is sent to the others
        lab.house.stop(f"{name}_old")
    for name in OTHERS:
        lab.house.stop(name)
        lab.house.start(name, name.partition("_")[0], root=root, **FREE)


def _start_web(lab: Lab, name: str, root: Path) -> str:
    """One more web process, on a port of its own, asked for only once it is ready; its URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    lab.house.start(name, "web", root=root, **FREE, COMITY_PORT=str(port), COMITY_PUBLIC_URL=url)
    lab.people.urls.append(url)
    return url
