"""Far more comments come in than are judged."""

from service.settings import SETTINGS
from tests.lab.campaign import Outcome
from tests.lab.flood import FIRST, Order, flooding
from tests.lab.journal import OK, Entry
from tests.lab.laboratory import Lab
from tests.lab.memory import Watch

OFFERED = 1000.0  # submissions a second
WEBS = 2  # web processes: one is busy with nine hundred submissions a second, most of which it refuses
CAP = 1000  # comments of a site that may wait
#: Two threads of one process take ten comments each, and pause: a hundred a second at most.
THROTTLE = {"COMITY_WORKER_CONCURRENCY": "1", "COMITY_BATCH": "10", "COMITY_FAILPOINTS": "judged=sleep:0.2"}
WATCHED = ("web", "worker", "relay_1", "relay_2")
SLOPE, ACCEPT = 0.01, 0.5  # most growth in five minutes; most seconds to accept, of 99 in 100
ENOUGH = 0.98  # share of the submissions that must be offered in time, if it is to be the load that was asked for


def overload(lab: Lab, factor: float) -> Outcome:
    """Deciding is slowed down to a hundred a second. Nobody sends again what was refused."""
    assert any(one.name == "COMITY_PENDING" for one in SETTINGS), "nothing bounds how many comments may wait"
    order = Order(lab.house.url, lab.people.key, OFFERED, max(12.0, 600 * factor))
    lab.start("web", COMITY_PENDING_SITE=str(CAP), COMITY_WEB_PROCESSES=str(WEBS))
    lab.start("relay_1", "relay_2")
    lab.start("worker", **THROTTLE)
    lab.worker_ready(1)
    pids = {name: lab.house.processes[name].pid for name in WATCHED}
    with (
        Watch(pids) as watch,
        lab.crowd(visitors=0, readers=1, moderators=1) as crowd,
        flooding(order, lab.journal) as flood,
    ):
        flood.wait()
        crowd.stop()
    [(decided,)] = lab.house.rows("SELECT count(*) FROM comity.decision WHERE actor = 'policy'")
    lab.house.kill("worker")
    lab.start("worker")  # as many as are left, at full speed
    lab.settle()
    return _judged(lab, order, decided, watch)


def _judged(lab: Lab, order: Order, decided: int, watch: Watch) -> Outcome:
    sent = [one for one in lab.journal.entries() if one.what == "submit"]
    offered = len({one.key for one in sent if int(one.key) >= FIRST})
    refused = sum(one.status in (429, 503) for one in sent)
    other = sum(one.status not in (202, 429, 503) for one in sent)
    p99 = _p99(sent)
    found = Outcome(
        f"{order.seconds:.0f} s, {offered / order.seconds:,.0f}/s offered to {WEBS} web processes, "
        f"{decided / order.seconds:,.0f}/s decided",
        f"{lab.taken():,} accepted, all decided; {refused:,} answered 429 or 503; {other} otherwise; "
        f"{order.count - offered:,} not offered in time; 99 % accepted in {p99 * 1000:.0f} ms; memory in 5 minutes: "
        f"{watch.said()}",
    )
    found.demand(offered >= ENOUGH * order.count, "as much is offered as was asked", f"{offered} of {order.count}")
    found.demand(refused > 0, "the rest is answered 429 or 503", "nothing was refused")
    found.demand(other == 0, "the rest is answered 429 or 503", f"{other} submissions were answered otherwise")
    found.demand(p99 <= ACCEPT, "99 % accepted within 500 ms", f"{p99:.2f} s")
    for name, slope in watch.slopes().items():
        found.demand(not watch.long or slope < SLOPE, "memory stays flat", f"{name} {slope:+.1%} in five minutes")
    return found


def _p99(sent: list[Entry]) -> float:
    """Seconds in which 99 of 100 accepted submissions were answered, from when they were due."""
    times = sorted(one.ended - one.began for one in sent if one.outcome == OK)
    return times[int(len(times) * 0.99)]
