"""Processes killed, stopped and poisoned."""

import random
import time
from uuid import uuid4

import psutil

from tests.faults.house import GO, wait_for
from tests.lab import nemeses
from tests.lab.campaign import Outcome, sized
from tests.lab.clients import review, submission
from tests.lab.journal import OK
from tests.lab.laboratory import DEADLINE, Lab

POISON = "poison-4f2a"


def workers_killed(lab: Lab, factor: float) -> Outcome:
    """Children and whole workers are killed evenly over many comments."""
    most, children, workers = sized(100_000, factor, 400), sized(1000, factor, 4), sized(100, factor, 1)
    dice = random.Random(7)
    lab.start("web", "relay_1", "relay_2", "worker")
    lab.worker_ready()
    kills = children + workers
    every = max(1, kills // workers)
    done = {"child": 0, "worker": 0}
    with lab.crowd(most=most) as crowd:
        for number in range(1, kills + 1):
            lab.loaded(crowd, most * number // (kills + 1), 300)
            if number % every == 0 and done["worker"] < workers:
                nemeses.kill_again(lab, "worker")
                done["worker"] += 1
            else:
                wait_for(lambda: nemeses.kill_child(lab.house, dice), 60, "the worker has a child")
                done["child"] += 1
        crowd.finish()
    seconds = lab.settle()
    found = Outcome(
        f"{most:,} comments, {done['child']:,} children and {done['worker']:,} workers killed",
        f"{lab.taken():,} accepted, all decided {seconds:.1f} s after the last, {lab.reviews():,} reviews between",
    )
    found.demand(seconds <= DEADLINE, "nothing pending beyond the deadline", f"decided {seconds:.1f} s after the last")
    found.demand(lab.taken() == most, "every ok exists once", f"only {lab.taken()} of {most} were accepted")
    return found


def web_killed(lab: Lab, factor: float) -> Outcome:
    """The web process is killed while submissions wait for their commit; clients send again."""
    kills = sized(100, factor, 2)
    environ = {"COMITY_FAILPOINTS": "submitting=sleep:0.03"}
    lab.start("web", **environ)
    lab.start("relay_1", "worker")
    with lab.crowd(visitors=6) as crowd:
        for number in range(1, kills + 1):
            lab.loaded(crowd, number * 40)
            nemeses.kill_again(lab, "web", **environ)
        crowd.stop()
    unknown = lab.journal.count("submit", "unknown")
    return Outcome(f"web killed {kills:,} times", f"{lab.taken():,} accepted, {unknown:,} requests without an answer")


def worker_paused(lab: Lab, factor: float) -> Outcome:
    """Stopped between judging and deciding: once while authors edit, once for two leases while others decide."""
    rounds = sized(20, factor, 1)
    lab.start("web")
    for number in range(rounds):
        _edited_meanwhile(lab, number)
        _overtaken(lab, number)
    return Outcome(f"{rounds:,} stops while authors edit, {rounds:,} for two leases", "no late verdict took effect")


def _edited_meanwhile(lab: Lab, number: int) -> None:
    name = f"worker_edited{number}"
    lab.stand_in(name, COMITY_FAILPOINTS="judged=stop")
    before = len(lab.journal.taken)
    lab.submit(10)
    wait_for(lambda: _frozen(lab, name) is not None, 30, "it stopped between judging and deciding")
    line = lab.line()
    for comment in lab.journal.taken[before:]:
        answer = line.ask("PATCH", f"/v1/comments/{comment}", lab.people.key, {"name": f"Edited {uuid4()}"})
        assert answer.status == 202, answer
    _go_on(lab, name)


def _overtaken(lab: Lab, number: int) -> None:
    name = f"worker_overtaken{number}"
    lab.stand_in(f"worker_other{number}")
    lab.settle()
    lab.house.kill(f"worker_other{number}")
    lab.stand_in(name, COMITY_FAILPOINTS="judged=stop")
    lab.submit(10)
    wait_for(lambda: _frozen(lab, name) is not None, 30, "it stopped between judging and deciding")
    lab.stand_in(f"worker_second{number}")
    time.sleep(nemeses.LEASES)
    lab.settle()
    _go_on(lab, name)
    lab.house.kill(f"worker_second{number}")


def _go_on(lab: Lab, name: str) -> None:
    """Let a stopped process make its late decision, and end it."""
    decided = lab.house.logged("decided")
    frozen = _frozen(lab, name)
    assert frozen is not None
    frozen.send_signal(GO)
    wait_for(
        lambda: lab.house.logged("decided") > decided or lab.house.logged("batch_failed") > 0, 30, "it tried to decide"
    )
    lab.house.kill(name)
    if name.startswith("worker_edited"):
        lab.stand_in(f"{name}_after")
        lab.settle()
        lab.house.kill(f"{name}_after")


def _frozen(lab: Lab, name: str) -> psutil.Process | None:
    process = psutil.Process(lab.house.processes[name].pid)
    return process if process.status() == psutil.STATUS_STOPPED else None


def poisoned(lab: Lab, factor: float) -> Outcome:
    """A few texts kill whoever reads them; they end with a human, the others pass meanwhile."""
    bad, good = sized(20, factor, 1), sized(2000, factor, 40)
    poison = {"COMITY_FAILPOINTS": f"scoring=kill@{POISON}"}
    lab.start("web")
    lab.start("worker", "relay_1", "relay_2", **poison)

    def bodies(number: int) -> dict[str, object]:
        made = submission(number)
        if crowd.sent > bad:
            return made
        return {**made, "body": f"{POISON} and more of it. {made['body']}"}

    with (crowd := lab.crowd(visitors=1, readers=0, moderators=0, most=bad + good, wants=bodies)):
        crowd.finish()
    patience = 40.0 + 20.0 * bad  # six attempts, each ended by its lease of six seconds
    seconds = lab.settle(patience)
    rows = lab.house.rows("SELECT count(*) FROM comity.decision WHERE rule = 'tried_too_often'")
    found = Outcome(
        f"{bad:,} poisonous among {good:,} comments",
        f"{rows[0][0]:,} to a human as tried too often, all decided after {seconds:.1f} s",
    )
    found.demand(rows[0][0] == bad, "nothing pending beyond the deadline", f"{rows[0][0]} of {bad} went to a human")
    return found


def failpoints(lab: Lab, factor: float) -> Outcome:
    """A process dies at each step of a comment's way, once."""
    rounds = sized(20, factor, 1)
    for _ in range(rounds):
        for point in WEB_POINTS:
            _web_dies(lab, point)
        lab.start("web")
        for point in WORKER_POINTS:
            _decider_dies(lab, point)
        lab.stand_in("relay_after")
        lab.settle(30)
        lab.house.kill("relay_after")
        lab.house.kill("web")
    points = len(WEB_POINTS) + len(WORKER_POINTS)
    return Outcome(f"{points} points, {rounds:,} times each", "each killed its process, nothing was lost")


WEB_POINTS = ("submitting", "committed", "seen", "reviewing", "reviewed")
WORKER_POINTS = ("claimed", "scored", "judged", "deciding", "decided")


def _web_dies(lab: Lab, point: str) -> None:
    """At a point of a submission or of a moderator's decision; the client sends the submission again."""
    lab.start("web", COMITY_FAILPOINTS=f"{point}=kill")
    line = lab.line()
    if point in ("submitting", "committed"):
        with lab.crowd(visitors=1, readers=0, moderators=0, most=1) as crowd:
            wait_for(lambda: lab.journal.count("submit", "unknown") > 0, 20, f"{point}: no answer")
            nemeses.kill_again(lab, "web")
            crowd.finish()
    else:
        comment = lab.journal.taken[-1]
        token = lab.people.moderators[0]
        seen = line.ask("GET", f"/v1/comments/{comment}/review", token)
        answer = _review(lab, token, comment, seen.body["version"])
        assert answer != OK, f"{point}: the process did not die"
    line.close()
    lab.house.kill("web")


def _review(lab: Lab, token: str, comment: str, version: int) -> str:
    """A decision while the web process may die; its outcome."""
    line = lab.line()
    outcome = review(line, token, lab.journal, comment, version, "flag").outcome
    line.close()
    return outcome


def _decider_dies(lab: Lab, point: str) -> None:
    """At a point of a batch; others finish its work."""
    name = f"relay_{point}"
    lab.stand_in(name, COMITY_FAILPOINTS=f"{point}=kill")
    lab.submit(10)
    process = lab.house.processes[name]
    wait_for(lambda: process.poll() is not None, 30, f"{point}: the process died")
    lab.house.kill(name)
