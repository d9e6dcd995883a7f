"""Many at once on the same rows, on connections of their own: the database decides who was first."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4

import psycopg
import pytest

from service.domain.ids import new_id
from service.domain.lifecycle import Action, Actor, State
from service.store import claims, comments, hits, queue
from service.store.comments import Ruling
from service.store.database import Database
from tests.fakes import WordModel, WordScores
from tests.world import World, as_role
from workers.judging import Judge

Found = TypeVar("Found")


@pytest.fixture
def pool_of(world: World) -> Iterator[Callable[[str], Database]]:
    """Makes pools with the rights of a process kind."""
    made: list[Database] = []

    def make(process: str) -> Database:
        made.append(Database(as_role(world.owner_url, f"comity_{process}"), process, 8))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


def together(calls: Sequence[Callable[[], Found]]) -> list[Found]:
    """All calls behind one barrier; what each returned."""
    gate = threading.Barrier(len(calls))

    def one(call: Callable[[], Found]) -> Found:
        gate.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def check(world: World) -> None:
    """The record is whole: numbers without gaps, one verdict per content, states, events, counters, trees and threads."""
    assert world.rows(
        "SELECT comment_id FROM comity.decision GROUP BY 1 HAVING count(*) <> max(seq) OR min(seq) <> 1"
    ) == []  # fmt: skip
    assert (
        world.rows(
            "SELECT comment_id FROM comity.decision WHERE actor = 'policy' GROUP BY comment_id, content_version HAVING count(*) > 1"
        )
        == []
    )
    assert (
        world.rows(
            "SELECT c.id FROM comity.comment c WHERE c.decisions <> (SELECT count(*) FROM comity.decision d WHERE d.comment_id = c.id)"
        )
        == []
    )
    assert world.rows(
        "SELECT d.comment_id FROM comity.decision d LEFT JOIN comity.outbox o USING (comment_id, seq) "
        "WHERE (d.action <> 'edit') <> (o.seq IS NOT NULL)"
    ) == []  # fmt: skip
    assert world.rows(
        "SELECT t.id FROM comity.thread t WHERE t.published <> "
        "(SELECT count(*) FROM comity.comment c WHERE c.thread_id = t.id AND c.state = 'published')"
    ) == []  # fmt: skip
    assert world.rows(
        "SELECT r.root_id FROM comity.tree r WHERE r.published <> "
        "(SELECT count(*) FROM comity.comment c WHERE c.root_id = r.root_id AND c.state = 'published')"
    ) == []  # fmt: skip
    counted = Counter({
        (state, reason or ""): n for state, reason, n in world.rows(
            "SELECT state, reason, count(*) FROM comity.comment WHERE state <> 'pending' GROUP BY 1, 2"
        )
    })  # fmt: skip
    with psycopg.connect(world.owner_url, row_factory=psycopg.rows.namedtuple_row) as connection:
        kept = queue.totals(connection, [world.site.id])
    kept.pop("pending", None)
    assert {(state, reason): n for state, reasons in kept.items() for reason, n in reasons.items()} == dict(counted)


def test_of_eight_equal_rulings_one_takes_effect(world: World, pool_of: Callable[[str], Database]) -> None:
    """Two hundred rounds on eight connections, also to the state it has: one decided, seven passed over in silence."""
    pool = pool_of("web")
    made = [world.submit() for _ in range(10)]
    world.settle()
    moves = [Action.REJECT, Action.REJECT, Action.PUBLISH, Action.FLAG, Action.FLAG, Action.PUBLISH]
    for number in range(200):
        target = UUID(made[number % 10]["id"])
        with pool.connection() as connection:
            seen = comments.see(connection, target, [world.site.id])
        ruling = Ruling(
            target, moves[(number // 10) % 6], Actor.MODERATOR, seen.state, seen.version, seen.content_version, "token"
        )

        def rule(ruling: Ruling = ruling) -> int:
            with pool.transaction() as connection:
                return len(comments.decide(connection, [ruling]))

        assert sorted(together([rule] * 8)) == [0] * 7 + [1]
    check(world)


@pytest.mark.parametrize("how", ["edit", "withdraw", "decide"])
def test_what_was_seen_before_another_change_is_not_changed(
    world: World, pool_of: Callable[[str], Database], how: str
) -> None:
    """Somebody looked, somebody else decided: the first one's edit, withdrawal or decision is a conflict."""
    made = world.published()
    with pool_of("web").connection() as connection:
        seen = comments.see(connection, UUID(made["id"]), [world.site.id])
        world.decide(made, "publish")  # the state stays, the version does not
        before = world.rows("SELECT c::text FROM comity.comment c")
        ruling = Ruling(seen.id, Action.FLAG, Actor.MODERATOR, seen.state, seen.version, seen.content_version, "t")
        change: dict[str, Callable[[], Any]] = {
            "edit": lambda: comments.edit(connection, seen, comments.Revision(body="New."), "t"),
            "withdraw": lambda: comments.withdraw(connection, seen, "t"),
            "decide": lambda: comments.decide_one(connection, ruling),
        }
        with pytest.raises(comments.Conflict) as conflict:
            change[how]()
    assert (conflict.value.state, conflict.value.version) == ("published", seen.version + 1)
    assert world.rows("SELECT c::text FROM comity.comment c") == before
    check(world)


def test_the_policy_decides_only_what_waits_for_it(world: World, pool_of: Callable[[str], Database]) -> None:
    """Even with the versions of this moment: a verdict that is due to nobody, on a comment that was judged, is dropped."""
    made = world.published()
    with pool_of("worker").transaction() as connection:
        seen = comments.see(connection, UUID(made["id"]), [world.site.id])
        versions = (seen.state, seen.version, seen.content_version)
        late = Ruling(seen.id, Action.REJECT, Actor.POLICY, *versions, policy_version=1)
        assert comments.decide(connection, [late]) == []
    assert world.status(made)["status"] == "published"
    check(world)


class MeetingModel(WordModel):
    """A model whose copies wait for each other before they answer, and first open the claims to the next one."""

    def __init__(self, world: World, copies: int) -> None:
        super().__init__()
        self._world = world
        self._gate = threading.Barrier(copies, timeout=20)

    def score(self, texts: Sequence[str], *more: Any) -> list[WordScores]:
        self._world.execute("DELETE FROM comity.claim")
        found = super().score(texts)
        self._gate.wait()
        return found


def test_three_judges_on_the_same_rows_decide_each_once(world: World, pool_of: Callable[[str], Database]) -> None:
    """Each has claimed and scored all of them when the others have, too: one verdict, one event, no gap."""
    for _ in range(8):
        made = [
            world.submit(body=f"{text} {uuid4()}") for text in ("fine", "score:toxicity=0.8", "score:spam=0.99") * 3
        ]
        model = MeetingModel(world, 3)
        judges = [Judge(pool_of("worker"), model, 100, process) for process in ("a", "b", "c")]  # type: ignore[arg-type]
        threads = [threading.Thread(target=judge.pass_once) for judge in judges]
        for number, thread in enumerate(threads, 1):
            thread.start()
            _wait_for_batches(model, number)
        for thread in threads:
            thread.join()

        assert model.batches == [9, 9, 9]
        verdicts = world.rows(
            "SELECT count(*) FROM comity.decision WHERE comment_id = ANY(%s)", [UUID(one["id"]) for one in made]
        )
        assert verdicts == [(9,)]
        assert world.rows("SELECT count(*) FROM comity.comment WHERE due_at IS NOT NULL") == [(0,)]
    check(world)


def test_four_deciders_with_a_gap_decide_a_comment_once(world: World, pool_of: Callable[[str], Database]) -> None:
    """All four have read it before the first decides, and each waits 50 ms before it does: one verdict, one event."""
    pool = pool_of("worker")
    for _ in range(10):
        made = UUID(world.submit()["id"])
        with pool.connection() as connection:
            (seen,) = claims.claim(connection, "test", new_id(), 1)
        assert seen.id == made
        gap = threading.Barrier(4)

        def decide(action: Action, seen: claims.Claimed = seen, gap: threading.Barrier = gap) -> int:
            gap.wait()
            time.sleep(0.05)  # the race is in this gap
            with pool.transaction() as connection:
                ruling = Ruling(
                    seen.id, action, Actor.POLICY, seen.state, seen.version, seen.content_version, rule="test"
                )
                return len(comments.decide(connection, [ruling]))

        actions = (Action.PUBLISH, Action.FLAG, Action.REJECT, Action.PUBLISH)
        assert sorted(together([lambda action=action: decide(action) for action in actions])) == [0, 0, 0, 1]
        assert world.rows("SELECT count(*) FROM comity.outbox WHERE comment_id = %s", made) == [(1,)]
    check(world)


@pytest.mark.parametrize("moderators", range(2, 9))
def test_of_several_moderators_exactly_one_succeeds(
    world: World, pool_of: Callable[[str], Database], moderators: int
) -> None:
    """By the API's own door, each with another decision on the version all of them saw: the others are told so."""
    pool = pool_of("web")
    made = world.flagged()
    moves = (Action.PUBLISH, Action.REJECT, Action.FLAG)
    for _ in range(6):
        with pool.connection() as connection:
            seen = comments.see(connection, UUID(made["id"]), [world.site.id])

        def review(number: int, seen: comments.Seen = seen) -> str:
            action = moves[number % 3]
            ruling = Ruling(
                seen.id, action, Actor.MODERATOR, seen.state, seen.version, seen.content_version, f"m{number}"
            )
            try:
                with pool.transaction() as connection:
                    comments.decide_one(connection, ruling)
            except comments.Conflict as conflict:
                assert conflict.version == seen.version + 1
                return "conflict"
            return "done"

        answers = together([lambda number=number: review(number) for number in range(moderators)])
        assert sorted(answers) == ["conflict"] * (moderators - 1) + ["done"]
    check(world)


def _wait_for_batches(model: WordModel, number: int) -> None:
    deadline = time.monotonic() + 20
    while len(model.batches) < number:
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_judge_that_comes_late_changes_nothing(world: World, pool_of: Callable[[str], Database]) -> None:
    """It scored a text; meanwhile the author edited, a moderator decided, another took it back: its verdicts are dropped."""
    edited, decided, withdrawn, left = (world.submit() for _ in range(4))
    held, go_on = threading.Event(), threading.Event()

    class SlowModel(WordModel):
        def score(self, texts: Sequence[str], *more: Any) -> list[WordScores]:
            held.set()
            assert go_on.wait(20)
            return super().score(texts)

    judge = Judge(pool_of("worker"), SlowModel(), 100)  # type: ignore[arg-type]
    late = threading.Thread(target=judge.pass_once)
    late.start()
    assert held.wait(20)
    world.request("PATCH", f"/v1/comments/{edited['id']}", world.secret_key, {"body": "score:toxicity=0.8 new"})
    world.decide(decided, "reject", reason="other")
    world.request("DELETE", f"/v1/comments/{withdrawn['id']}", world.secret_key)
    go_on.set()
    late.join()

    states = [world.status(one)["status"] for one in (edited, decided, withdrawn, left)]
    assert states == ["pending", "rejected", "withdrawn", "published"]
    world.settle()
    assert world.status(edited)["status"] == "flagged"
    check(world)


def test_claims_never_overlap(world: World, pool_of: Callable[[str], Database]) -> None:
    """Six claim at once until nothing is due: every comment is claimed by one of them."""
    made = {UUID(world.submit()["id"]) for _ in range(60)}
    pool = pool_of("worker")

    def take() -> list[UUID]:
        found: list[UUID] = []
        while True:
            with pool.connection() as connection:
                claimed = claims.claim(connection, "test", new_id(), 7)
            if not claimed:
                return found
            found += [one.id for one in claimed]

    taken = [one for found in together([take] * 6) for one in found]
    # a claimer that finds all due rows locked by others stops early; what is left is still due
    with pool.connection() as connection:
        taken += [one.id for one in claims.claim(connection, "test", new_id(), 100)]
    assert Counter(taken) == Counter(made)


def test_everybody_at_once_leaves_a_whole_record(world: World, pool_of: Callable[[str], Database]) -> None:
    """Judges, moderators, editing and withdrawing authors on the same forty comments: every invariant holds after it."""
    made = [
        world.submit(body=f"{text} {uuid4()}")
        for text in ("fine", "score:toxicity=0.8", "score:spam=0.99", "language:ko") * 10
    ]
    pool = pool_of("web")
    stop = threading.Event()

    def judge() -> None:
        judge = Judge(pool_of("worker"), WordModel(), 5)  # type: ignore[arg-type]
        while not stop.is_set():
            judge.pass_once()

    def moderate(action: Action) -> None:
        for one in made:
            with pool.transaction() as connection:
                seen = comments.see(connection, UUID(one["id"]), [world.site.id])
                if seen.state not in (State.WITHDRAWN, State.ERASED):
                    comments.decide(connection, [
                        Ruling(seen.id, action, Actor.MODERATOR, seen.state, seen.version, seen.content_version, "t"),
                    ])  # fmt: skip

    def author(method: str) -> None:
        client = world.app.test_client()
        headers = {"Host": "127.0.0.1", "Authorization": f"Bearer {world.secret_key}"}
        for one in made[:: 2 if method == "PATCH" else 5]:
            answer = client.open(
                f"/v1/comments/{one['id']}",
                method=method,
                headers=headers,
                json={"body": f"New {uuid4()}"} if method == "PATCH" else None,
            )
            assert answer.status_code in (200, 202, 409)

    judges = [threading.Thread(target=judge) for _ in range(2)]
    for thread in judges:
        thread.start()
    together([
        lambda: moderate(Action.PUBLISH), lambda: moderate(Action.REJECT), lambda: moderate(Action.FLAG),
        lambda: author("PATCH"), lambda: author("DELETE"), lambda: author("PATCH"),
    ])  # fmt: skip
    stop.set()
    for thread in judges:
        thread.join()
    world.settle()
    check(world)
    assert world.rows("SELECT count(*) FROM comity.comment WHERE due_at IS NOT NULL") == [(0,)]


def test_hits_added_at_once_add_up(world: World, pool_of: Callable[[str], Database]) -> None:
    """Eight processes on the same twenty windows, in any order given: exact sums, and nobody waits in a ring."""
    pool = pool_of("web")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    windows = [(bytes([n]) * 16, start, n + 1) for n in range(20)]

    def add(turn: int) -> None:
        for _ in range(10):
            with pool.connection() as connection:
                hits.add(connection, windows[turn:] + windows[:turn])

    together([lambda turn=turn: add(turn) for turn in range(8)])
    assert world.rows("SELECT n FROM contacts.hit ORDER BY key") == [(80 * (n + 1),) for n in range(20)]


def test_a_worker_reads_only_what_a_verdict_needs(world: World) -> None:
    """A claim holds text and numbers, and no address, key or contact."""
    world.submit(author_ip="203.0.113.9")
    with psycopg.connect(
        as_role(world.owner_url, "comity_worker"), row_factory=psycopg.rows.namedtuple_row
    ) as connection:
        found: Any = claims.claim(connection, "test", new_id(), 1)[0]
    assert set(found.__slots__) == {
        "id", "site_id", "thread_id", "state", "version", "content_version", "attempts", "name", "body", "website",
        "author_verified", "created_at",
    }  # fmt: skip
