"""A pass over due comments: batches, leases, retries and verdicts."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from service import failpoints
from service.domain.ids import new_id
from service.store import claims
from service.store.database import Database
from tests.fakes import WordModel, WordScores
from tests.world import World, as_role
from workers import judging
from workers.judging import Judge


@pytest.fixture(autouse=True)
def _no_failpoints() -> None:
    failpoints._ACTIONS.clear()


def _due_now(world: World) -> None:
    world.execute("UPDATE comity.comment SET due_at = now() WHERE due_at IS NOT NULL")
    world.execute("UPDATE comity.claim SET until = now()")


def test_a_batch_is_scored_in_one_call(world: World) -> None:
    """Twenty comments are one call of the classifier and one transaction of decisions."""
    for _ in range(20):
        world.submit()
    assert world.judge.pass_once() is False
    assert world.model.batches == [20]
    assert world.rows("SELECT count(DISTINCT xmin::text), count(*) FROM comity.decision") == [(1, 20)]


def test_a_pass_whose_time_is_up_says_that_there_is_more(world: World) -> None:
    """So the task rings again; a pass whose last batch was not full does not."""
    small = Judge(world.judge.database, world.model, 5, seconds=0.0)  # type: ignore[arg-type]
    for _ in range(12):
        world.submit()
    assert [small.pass_once(), small.pass_once()] == [True, False]
    assert world.model.batches == [5, 5, 2]


def test_a_pass_goes_on_while_there_is_more(world: World) -> None:
    """Batch after batch, all of it in one pass."""
    small = Judge(world.judge.database, world.model, 5)  # type: ignore[arg-type]
    for _ in range(32):
        world.submit()
    assert small.pass_once() is False
    assert (sum(world.model.batches), max(world.model.batches)) == (32, 5)
    assert world.rows("SELECT count(*) FROM comity.comment WHERE due_at IS NOT NULL") == [(0,)]


def test_a_pass_takes_what_failed_before_after_what_is_new(world: World) -> None:
    """With every pass one of those that failed before at least: no backlog makes them wait for its end."""
    small = Judge(world.judge.database, world.model, 2, seconds=0.0)  # type: ignore[arg-type]
    _failed(world, 3)
    for _ in range(8):
        world.submit()
    assert small.pass_once()
    assert world.model.batches == [2, 2, 1]


class BusyModel(WordModel):
    """Notes how many others score while one that stands alone is scored."""

    def __init__(self) -> None:
        super().__init__()
        self.scoring, self.beside = 0, []  # type: ignore[var-annotated]

    def score(self, texts: Sequence[str], *more: Any) -> list[WordScores]:
        self.scoring += 1
        for _ in range(20):
            time.sleep(0.005)
            if len(texts) == 1:
                self.beside.append(self.scoring - 1)
        self.scoring -= 1
        return super().score(texts)


def test_beside_one_that_failed_before_nothing_is_judged(world: World) -> None:
    """It may take the process with it, and what that held would count as tried."""
    model = BusyModel()
    small = Judge(world.judge.database, model, 2)  # type: ignore[arg-type]
    _failed(world, 3)
    for _ in range(8):
        world.submit()
    small.pass_once()
    assert sorted(model.batches)[:3] == [1, 1, 1]
    assert set(model.beside) == {0}


def test_a_claim_that_hangs_is_not_renewed_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the time limit of a task its claim runs out, whatever became of the one that held it."""
    monkeypatch.setattr(judging, "TIME_LIMIT", 0.3)
    monkeypatch.setattr(judging, "_RENEW_EVERY", 0.05)
    world.submit()
    lease = new_id()
    with world.judge.database.connection() as connection:
        claims.claim(connection, "p", lease, 1)
    heart = judging._heartbeat(world.judge.database, lease)
    with heart:
        heart._thread.join(10)
        assert not heart._thread.is_alive()


def _failed(world: World, count: int) -> None:
    """Comments whose first try came to nothing, due again."""
    for _ in range(count):
        world.submit()
    lease = new_id()
    with world.judge.database.connection() as connection:
        claims.claim(connection, "gone", lease, 10)
        claims.release(connection, lease, blame=True)
    _due_now(world)


def test_large_bodies_make_small_batches(world: World) -> None:
    """A batch holds at most 400,000 bytes of text, so that it ends in under a second."""
    for number in range(30):
        world.submit(body=f"{number} " + "long words " * 1800)
    world.settle()
    assert max(world.model.batches) == 21  # the 21st begins below the bound
    assert sum(world.model.batches) == 30


def test_rows_of_a_batch_that_died_are_taken_one_by_one(world: World) -> None:
    """A claim that came to nothing is tried again alone."""
    made = [world.submit() for _ in range(4)]
    with world.judge.database.connection() as connection:
        assert len(claims.claim(connection, "gone", new_id(), 10)) == 4
    _due_now(world)
    world.settle()
    assert world.model.batches == [1, 1, 1, 1]
    assert {world.status(one)["status"] for one in made} == {"published"}


def test_a_comment_claimed_too_often_goes_to_a_human(world: World) -> None:
    """After five claims without a verdict it is flagged, and the model does not see it again."""
    made = world.submit()
    for _ in range(5):
        with world.judge.database.connection() as connection:
            claims.claim(connection, "gone", new_id(), 1)
            claims.claim_retry(connection, "gone", new_id())
        _due_now(world)
    world.settle()
    assert world.model.batches == []
    assert (world.status(made)["status"], world.review(made)["rule"]) == ("flagged", "tried_too_often")


def test_an_attempt_that_failed_waits_longer_each_time_and_five_seconds_at_most(world: World) -> None:
    """Back-off is for the row whose own attempt failed."""
    failpoints.arm("scored=raise")
    world.submit()
    waits = []
    for _ in range(5):
        world.judge.pass_once()
        waits.append(world.rows("SELECT extract(epoch FROM due_at - now())::float8 FROM comity.comment")[0][0])
        _due_now(world)
    assert waits == sorted(waits)
    assert 0 < waits[0] < 0.5
    assert 2 < waits[-1] <= 5


def test_without_a_model_nothing_is_published(world: World) -> None:
    """No score, no publication."""
    blind = Judge(world.judge.database, None, 10)
    made = world.submit()
    blind.pass_once()
    assert (world.status(made)["status"], world.review(made)["rule"]) == ("flagged", "no_score")


@pytest.mark.parametrize("score", ["nan", "inf", "-0.5", "1.5"])
def test_what_is_no_probability_is_no_score(world: World, score: str) -> None:
    """Such a comment goes to people at the first try, takes no other down with it, and nothing of the score is kept."""
    made, other = world.submit(body=f"score:spam={score}"), world.submit()
    world.judge.pass_once()
    assert (world.status(made)["status"], world.review(made)["rule"]) == ("flagged", "no_score")
    assert world.status(other)["status"] == "published"
    assert world.review(made)["decisions"][0]["scores"] is None
    assert set(world.review(made)["scores"].values()) == {None}


class MeetingModel(WordModel):
    """A model at which several judges wait for each other, so that all decide at the same time."""

    def __init__(self, gate: threading.Barrier) -> None:
        super().__init__()
        self.gate = gate

    def score(self, texts: Sequence[str], *more: Any) -> list[WordScores]:
        self.gate.wait(10)
        return super().score(texts)


def test_four_judges_who_all_hold_the_same_claim_decide_each_comment_once(world: World) -> None:
    """Claims that were opened under a judge's hands: four decide the same forty comments, one decision each."""
    for _ in range(40):
        world.submit()
    gate = threading.Barrier(4)
    database = Database(as_role(world.owner_url, "comity_worker"), "worker", 8)
    judges = [Judge(database, MeetingModel(gate), 40) for _ in range(4)]  # type: ignore[arg-type]
    claims_held = []
    for judge in judges:
        with database.connection() as connection:
            taken = claims.claim(connection, judge.process, new_id(), 40)
        assert len(taken) == 40
        world.execute("DELETE FROM comity.claim")
        claims_held.append(taken)
    with ThreadPoolExecutor(4) as pool:
        for done in [
            pool.submit(judge._judge, taken, new_id()) for judge, taken in zip(judges, claims_held, strict=True)
        ]:
            done.result()  # the three that come late pass over in silence
    database.close()
    assert world.rows("SELECT count(*), count(DISTINCT comment_id), max(seq) FROM comity.decision") == [(40, 40, 1)]


def test_a_renewed_claim_lasts(world: World) -> None:
    """The heartbeat moves the end of the claim; one that ended stays ended."""
    world.submit()
    lease = new_id()
    with world.judge.database.connection() as connection:
        claims.claim(connection, "p", lease, 1)
        world.execute("UPDATE comity.claim SET until = now() + interval '1 second'")
        assert claims.renew(connection, lease) is True
        assert claims.renew(connection, new_id()) is False
    assert world.rows("SELECT until > now() + interval '5 seconds' FROM comity.claim") == [(True,)]


def test_the_verdict_follows_the_sites_own_policy(world: World) -> None:
    """A policy put in force counts for the next comment, and its version stands in the record."""
    thresholds = {"spam": {"publish_below": 0.1, "reject_above": 0.2}}
    put = world.policy({"rule": "scores", "thresholds": thresholds}, {"rule": "links", "most": 0})
    assert put["version"] == 1
    spam, links = world.submit(body="score:spam=0.3 hello"), world.submit(body="see https://a.example/x")
    world.settle()
    assert [world.status(one)["status"] for one in (spam, links)] == ["rejected", "flagged"]
    assert world.review(spam)["decisions"][0]["policy_version"] == 1


def test_beside_a_full_batch_another_one_is_judged(world: World) -> None:
    """Each waits for the other, and both are decided when the pass ends."""
    meeting = MeetingModel(threading.Barrier(2))
    small = Judge(world.judge.database, meeting, 5)  # type: ignore[arg-type]
    for _ in range(10):
        world.submit()
    assert small.pass_once() is False
    assert meeting.batches == [5, 5]
    assert world.rows("SELECT count(*) FROM comity.comment WHERE due_at IS NOT NULL") == [(0,)]


def test_a_comment_given_back_is_found_behind_a_backlog(world: World) -> None:
    """While many new ones wait, one that failed before is found by the lease that marks it."""
    world.submit()
    lease = new_id()
    with world.judge.database.connection() as connection:
        claimed = claims.claim(connection, "p", lease, 1)
        claims.release(connection, lease, blame=True)
        _due_now(world)
        for _ in range(3):
            world.submit()
        again = claims.claim_retry(connection, "p", new_id(), backlog=True)
        assert again is not None
        assert (again.id, again.attempts) == (claimed[0].id, 2)
        assert claims.renew(connection, claims.RELEASED) is False
