"""Deciders and moderators who race for the same comments."""

import re
import threading

import psycopg

from tests.faults.house import wait_for
from tests.lab.campaign import Outcome, sized
from tests.lab.checker import Finding
from tests.lab.clients import Line, review, trespass
from tests.lab.journal import OK
from tests.lab.laboratory import Lab
from tests.world import as_role

DECIDERS = 4
GAP = "judged=sleep:0.05"
ROUND = 100  # comments that become due at once
HELD = re.compile(r"\n *AND c\.id NOT IN \(SELECT unnest\(h\.comments\) FROM comity\.claim h\)")


def deciders(lab: Lab, factor: float) -> Outcome:
    """Claims keep nobody apart any more: four processes judge the same comments, each with a gap before it decides."""
    most = max(ROUND, sized(10_000, factor, ROUND) // ROUND * ROUND)
    lab.start("web")
    kept = _open_claims(lab)
    names = [f"relay_decider{number}" for number in range(DECIDERS)]
    try:
        for name in names:
            lab.stand_in(name, COMITY_FAILPOINTS=GAP, COMITY_BATCH=str(ROUND))
        wait_for(lambda: lab.house.logged("stand_in_ready") == DECIDERS, 60, "all deciders are ready")
        for _ in range(most // ROUND):
            _round(lab)
    finally:
        for name in names:
            lab.house.kill(name)
        lab.house.execute(kept)
    judged = sum(map(int, re.findall(r'"claimed": (\d+)', lab.house.log.read_text(errors="replace"))))
    failed = lab.house.logged("batch_failed")
    found = Outcome(
        f"{most:,} comments, {DECIDERS} deciders", f"{judged / most:.1f} judged each comment, {failed} batches failed"
    )
    found.demand(judged >= 2 * most, "the race was one", f"only {judged / most:.1f} deciders a comment")
    found.demand(failed == 0, "who comes too late is silent", f"{failed} batches ended in an error")
    found.findings += _by_force(lab)
    return found


def _open_claims(lab: Lab) -> str:
    """Have claims hold nobody off; the statement that undoes it."""
    [(kept,)] = lab.house.rows("SELECT pg_get_functiondef('comity.claim_due'::regproc)")
    opened, count = HELD.subn("", kept)
    assert count == 3, f"claim_due has changed: {count} places keep deciders apart"
    lab.house.execute(opened)
    return str(kept)


def _round(lab: Lab) -> None:
    """Comments that are held back until all are there, then due at once."""
    lab.house.execute("ALTER TABLE comity.comment ALTER COLUMN due_at SET DEFAULT now() + interval '1 hour'")
    lab.submit(ROUND)
    lab.house.execute("ALTER TABLE comity.comment ALTER COLUMN due_at SET DEFAULT now()")
    lab.house.execute("UPDATE comity.comment SET due_at = now() WHERE due_at IS NOT NULL")
    lab.settle()


def _by_force(lab: Lab) -> list[Finding]:
    """A worker that records a second automatic decision on one content, or a second one under one seq, is refused."""
    columns = "site_id, from_state, to_state, action, actor, rule, reason, saw, content_version, version"
    found = []
    for what, seq in (("content version", "max(d.seq) + 1"), ("seq", "max(d.seq)")):
        statement = (
            f"INSERT INTO comity.decision (comment_id, seq, {columns}) SELECT comment_id, "
            f"(SELECT {seq} FROM comity.decision d WHERE d.comment_id = o.comment_id), {columns} "
            "FROM comity.decision o WHERE actor = 'policy' LIMIT 1"
        )
        url = as_role(lab.house.servers.owner_url, "comity_worker")
        with psycopg.connect(url) as connection:
            try:
                rows = connection.execute(statement).rowcount
            except psycopg.errors.UniqueViolation:
                continue
            finally:
                connection.rollback()
        found.append(Finding("nothing decided twice", f"a second decision on one {what} was let in ({rows} row)"))
    return found


def moderators(lab: Lab, factor: float) -> Outcome:
    """Two to eight moderators decide on one comment as they all saw it: one of them is first. A stranger is shut out."""
    rounds = sized(10_000, factor, 40)
    lab.start("web", COMITY_FAILPOINTS="seen=sleep:0.002")
    lab.submit(4)
    line = lab.line()
    table = _Table(lab)
    wrong = 0
    for number in range(rounds):
        comment = lab.journal.taken[number % 4]
        token = lab.people.moderators[0]
        seen = line.ask("GET", f"/v1/comments/{comment}/review", token)
        wrong += table.round(comment, seen.body["version"], 2 + number % 7) != 1
        if number % 10 == 0:
            trespass(line, lab.people, lab.journal, comment)
    table.close()
    line.close()
    lab.stand_in("relay_1")  # what was decided by a person is due no more; what was not, is judged
    lab.settle()
    found = Outcome(f"{rounds:,} rounds of 2 to 8 moderators", f"{rounds - wrong:,} rounds with exactly one success")
    found.demand(wrong == 0, "exactly one success each", f"{wrong} rounds had none or several")
    return found


class _Table:
    """Eight moderators who wait for the same signal."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._lines = [Line(lab.people.urls) for _ in lab.people.moderators]

    def round(self, comment: str, version: int, count: int) -> int:
        """So many decide at once on the version they saw; how many were answered ok."""
        barrier = threading.Barrier(count)
        outcomes: list[str] = []

        def decide(number: int) -> None:
            barrier.wait()
            action = ("publish", "reject", "flag")[(number + version) % 3]
            token = self._lab.people.moderators[number]
            answer = review(self._lines[number], token, self._lab.journal, comment, version, action)
            outcomes.append(answer.outcome)

        threads = [threading.Thread(target=decide, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return outcomes.count(OK)

    def close(self) -> None:
        """Hang up."""
        for line in self._lines:
            line.close()
