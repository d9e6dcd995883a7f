"""Broker and database restarted, stopped, cut off."""

import time
from urllib.parse import unquote

from tests.faults.house import wait_for
from tests.lab import nemeses
from tests.lab.campaign import Outcome, sized
from tests.lab.laboratory import DEADLINE, Lab
from tests.lab.proxy import WAYS, Proxy
from tests.world import PASSWORDS, as_role

RATE = 150.0  # comments a second


def broker_restarts(lab: Lab, factor: float) -> Outcome:
    """The broker comes back empty again and again; the last time nobody submits any more."""
    rounds = sized(100, factor, 2)
    lab.start("web", "relay_1", "relay_2", "worker")
    lab.worker_ready()
    with lab.crowd(rate=RATE) as crowd:
        for number in range(1, rounds):
            lab.loaded(crowd, number * 60)
            nemeses.broker_restarted_empty(lab.house)
        crowd.stop()
    lab.house.servers.valkey.kill()
    lab.submit(20)
    nemeses.broker_restarted_empty(lab.house)
    seconds = lab.settle()
    found = Outcome(
        f"{rounds:,} empty restarts", f"{lab.taken():,} accepted, all decided {seconds:.1f} s after the last"
    )
    found.demand(lab.journal.count("submit", "unknown") == 0, "100 % accepted", "a submission failed without a broker")
    found.demand(seconds <= DEADLINE, "nothing pending beyond the deadline", f"decided {seconds:.1f} s after the last")
    return found


def database_stops(lab: Lab, factor: float) -> Outcome:
    """The database is stopped at once, under load, and started again."""
    rounds = sized(100, factor, 2)
    lab.start("web", "relay_1", "relay_2", "worker")
    lab.worker_ready()
    with lab.crowd(rate=RATE, readers=2, moderators=2) as crowd:
        for number in range(1, rounds + 1):
            lab.loaded(crowd, number * 80)
            nemeses.database_stopped(lab.house)
        crowd.stop()
    ended = time.time()
    lab.settle()
    unknown, seconds = lab.journal.count("submit", "unknown"), lab.slowest(ended)
    found = Outcome(
        f"{rounds:,} immediate stops",
        f"{lab.taken():,} accepted, {unknown:,} times 503 or no answer, {lab.journal.statuses.get(500, 0)} times 500, "
        f"all decided {seconds:.1f} s after the last",
    )
    found.demand(seconds <= DEADLINE, "nothing pending beyond the deadline", f"decided {seconds:.1f} s after the last")
    return found


def commits_cut(lab: Lab, factor: float) -> Outcome:
    """Web and worker reach the database through a proxy that cuts connections in their COMMIT."""
    cuts = sized(1000, factor, 12)
    folder = unquote(lab.house.servers.owner_url.partition("host=")[2])
    proxy = Proxy(lab.house.folder.__class__(folder) / ".s.PGSQL.5432", share=0.2)
    urls = {role: proxy.url(as_role(lab.house.servers.owner_url, role)) for role in PASSWORDS}
    try:
        lab.start("web", COMITY_DATABASE_URL=urls["comity_web"])
        lab.start("worker", COMITY_DATABASE_URL=urls["comity_worker"])
        lab.start("relay_1", "relay_2")
        with lab.crowd(visitors=4, moderators=2) as crowd:
            wait_for(lambda: _cut_enough(proxy, cuts) or not crowd.busy, 600, f"{cuts} cuts")
            crowd.stop()
        proxy.share = 0.0
        lab.settle()
    finally:
        proxy.close()
    ways = ", ".join(f"{sum(n for (_, way), n in proxy.cuts.items() if way == one):,} {one}" for one in WAYS)
    kinds = {what: sum(n for (one, _), n in proxy.cuts.items() if one == what) for what in ("submission", "decision")}
    found = Outcome(
        f"{proxy.cut:,} cuts ({ways} the commit)",
        f"{kinds['submission']:,} of submissions, {kinds['decision']:,} of decisions; {lab.taken():,} keys",
    )
    missed = set(WAYS) - {way for _, way in proxy.cuts}
    found.demand(not missed, "cut in every way", f"never {missed}")
    return found


def _cut_enough(proxy: Proxy, cuts: int) -> bool:
    submissions = sum(n for (what, _), n in proxy.cuts.items() if what == "submission")
    return submissions >= cuts


def without_broker(lab: Lab, factor: float) -> Outcome:
    """For minutes there is no broker; comments are taken, judged and moderated as ever."""
    seconds = max(8.0, 600 * factor)
    lab.start("web", "relay_1", "relay_2", "worker")
    lab.worker_ready()
    lab.submit(20)
    lab.settle()
    lab.house.servers.valkey.kill()
    began = time.time()
    try:
        with lab.crowd(rate=50.0, moderators=2) as crowd:
            time.sleep(seconds)
            crowd.stop()
        lab.settle()
        slowest = lab.slowest(began)
    finally:
        lab.house.servers.valkey.start()
    refused = lab.journal.count("submit", "unknown") + lab.journal.count("submit", "fail")
    found = Outcome(
        f"{seconds:.0f} s without a broker",
        f"{lab.taken():,} accepted, {refused} not; {lab.reviews():,} reviews; slowest verdict {slowest:.1f} s",
    )
    found.demand(refused == 0, "100 % accepted", f"{refused} submissions were not accepted at once")
    found.demand(lab.reviews() > 0, "moderation goes on", "no moderator could decide")
    found.demand(slowest <= DEADLINE, "nothing pending beyond the deadline", f"a verdict took {slowest:.1f} s")
    return found
