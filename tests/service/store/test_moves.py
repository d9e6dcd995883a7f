"""Every move of every actor, interleaved in any order: a model of the states beside the real store on a real database.

Each actor has a connection of its own, and may leave its transaction open while others go on. After each step the
database holds what the model says: state, versions, the record of decisions, events, counts of trees and threads.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar
from uuid import UUID

import psycopg
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from psycopg.rows import namedtuple_row

from service.domain.ids import new_id
from service.domain.lifecycle import OUTCOMES, Action, Actor, MoveError, State, advance
from service.store import claims, comments
from service.store.comments import Conflict, Revision, Ruling, Seen
from service.store.database import conninfo
from tests.service.store.test_races import check
from tests.world import World, as_role

FULL = bool(os.environ.get("COMITY_TEST_FULL"))
EXAMPLES, STEPS = (1500, 60) if FULL else (20, 30)
WORKERS, MODERATORS, WEBSITE = ("worker 1", "worker 2"), ("moderator 1", "moderator 2"), "website"
ACTORS = (*WORKERS, *MODERATORS, WEBSITE)
_PATIENCE = "40ms"  # for a lock that another actor's open transaction holds
Record = tuple[int, str, str, int, int]  # of a decision: seq, state, actor, content version, version

outcomes = st.sampled_from(sorted(OUTCOMES))
numbers = st.integers(0, 1000)


@dataclass(frozen=True)
class Entry:
    """A comment as the model has it."""

    state: State = State.PENDING
    version: int = 1
    content: int = 1
    due: bool = True
    record: tuple[Record, ...] = ()

    def decided(self, to: State, actor: Actor) -> "Entry":
        """After a verdict, a review or a withdrawal."""
        return self._next(to, actor, self.content, due=False)

    def edited(self) -> "Entry":
        """After its author changed it."""
        return self._next(self.state, Actor.WEBSITE, self.content + 1, due=True)

    def _next(self, to: State, actor: Actor, content: int, *, due: bool) -> "Entry":
        line = (len(self.record) + 1, str(to), str(actor), content, self.version + 1)
        return Entry(to, self.version + 1, content, due, (*self.record, line))


@dataclass
class Person:
    """An actor: a connection, what its open transaction changed and locked, and what it has seen or claimed."""

    connection: Any
    changed: dict[UUID, Entry] = field(default_factory=dict)
    locked: set[UUID] = field(default_factory=set)
    seen: Seen | None = None
    lease: UUID | None = None
    claimed: Sequence[claims.Claimed] = ()

    def forget(self) -> None:
        """The transaction is over."""
        self.changed, self.locked = {}, set()


class Blocked(Exception):
    """Raised when an actor waited too long for another one's open transaction."""


class Moves(RuleBasedStateMachine):
    """The actors and the model."""

    world: ClassVar[World]
    places: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        Moves.places += 1
        self.place = f"page-{Moves.places}"
        self.people = {name: Person(self._connect(name)) for name in ACTORS}
        self.owner = psycopg.connect(self.world.owner_url, autocommit=True, row_factory=namedtuple_row)
        self.committed: dict[UUID, Entry] = {}

    def _connect(self, name: str) -> Any:
        kind = "worker" if name in WORKERS else "web"
        made = psycopg.connect(
            **conninfo(as_role(self.world.owner_url, f"comity_{kind}"), kind), row_factory=namedtuple_row
        )
        made.execute(f"SET lock_timeout = '{_PATIENCE}'")
        made.commit()
        return made

    # What the model knows ------------------------------------------------------------------------------------------

    def _now(self, name: str, comment: UUID) -> Entry:
        """A comment as this actor would find it."""
        return self.people[name].changed.get(comment, self.committed[comment])

    def _held(self, name: str, comment: UUID) -> bool:
        """Whether another actor's open transaction holds it."""
        return any(comment in one.locked for other, one in self.people.items() if other != name)

    def _pick(self, number: int) -> UUID:
        return list(self.committed)[number % len(self.committed)]

    # How an actor acts ---------------------------------------------------------------------------------------------

    def _act(self, name: str, touched: Sequence[UUID], act: Any) -> Any:
        """Do something in the actor's transaction. Raises Blocked, with the whole of it undone, and only when others hold
        something."""
        person = self.people[name]
        held = any(self._held(name, comment) for comment in touched)
        try:
            found = act(person.connection)
        except psycopg.errors.LockNotAvailable:
            others = [one for other, one in self.people.items() if other != name and one.locked]
            assert others, "blocked, and nobody holds anything"
            self._over(name, commit=False)
            raise Blocked from None
        assert not held, "another one holds it, and it was changed all the same"
        person.locked |= set(touched)
        return found

    def _over(self, name: str, *, commit: bool) -> None:
        person = self.people[name]
        if commit:
            person.connection.commit()
            self.committed |= person.changed
        else:
            person.connection.rollback()
        person.forget()

    def _rule(self, name: str, rulings: Sequence[Ruling], *, leave_open: bool, lease: UUID | None = None) -> None:
        """Decide, and see that exactly those took effect that still were what was seen."""

        def act(connection: Any) -> Any:
            done = comments.decide(connection, rulings)
            if lease is not None:
                claims.end(connection, lease)
            return done

        try:
            for one in rulings:
                advance(one.from_state, one.action, one.actor)
        except MoveError:
            return
        try:
            done = self._act(name, [one.comment_id for one in rulings], act)
        except Blocked:
            return
        expected = {}
        for one in rulings:
            now = self._now(name, one.comment_id)
            same = (now.state, now.version, now.content) == (one.from_state, one.version, one.content_version)
            if same and (now.due or one.actor is not Actor.POLICY):
                expected[one.comment_id] = now.decided(advance(now.state, one.action, one.actor).to, one.actor)
        told = {(one.comment_id, one.state, one.version, one.seq) for one in done}
        assert told == {(key, one.state, one.version, len(one.record)) for key, one in expected.items()}
        self.people[name].changed |= expected
        if not leave_open:
            self._over(name, commit=True)

    # The moves -----------------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.committed) < 6)
    @rule(reply_to=numbers, reply=st.booleans())
    def submit(self, reply_to: int, reply: bool) -> None:
        """A comment comes in, perhaps as an answer to a published one."""
        above = [key for key, one in self.committed.items() if one.state is State.PUBLISHED]
        parent = {"parent_id": str(above[reply_to % len(above)])} if reply and above else {}
        made = self.world.submit(thread={"key": self.place}, **parent)
        self.committed[UUID(made["id"])] = Entry()

    @rule(name=st.sampled_from(WORKERS), again=st.booleans())
    def claim(self, name: str, again: bool) -> None:
        """A worker claims what is due and nobody's; what it gets is what stands there."""
        person = self.people[name]
        if person.locked:
            return
        taken = {row[0] for row in self.owner.execute("SELECT unnest(comments) FROM comity.claim WHERE until >= now()")}
        person.lease = new_id()
        if again:
            found = claims.claim_retry(person.connection, name, person.lease)
            person.claimed = [] if found is None else [found]
        else:
            person.claimed = claims.claim(person.connection, name, person.lease, 3)
        person.connection.commit()
        assert not taken & {one.id for one in person.claimed}
        for one in person.claimed:
            now = self.committed[one.id]
            assert (one.state, one.version, one.content_version, True) == (now.state, now.version, now.content, now.due)

    @rule(name=st.sampled_from(WORKERS), action=outcomes, leave_open=st.booleans())
    def judge(self, name: str, action: Action, leave_open: bool) -> None:
        """It decides what it once claimed, however late; what changed meanwhile is passed over."""
        person = self.people[name]
        rulings = [
            Ruling(one.id, action, Actor.POLICY, one.state, one.version, one.content_version) for one in person.claimed
        ]
        if rulings:
            self._rule(name, rulings, leave_open=leave_open, lease=person.lease)

    @rule(name=st.sampled_from(WORKERS), blame=st.booleans())
    def give_back(self, name: str, blame: bool) -> None:
        """A batch failed: what it had not decided is due again."""
        person = self.people[name]
        if person.lease is None or person.locked:
            return
        try:
            claims.release(person.connection, person.lease, blame=blame)
        except psycopg.errors.LockNotAvailable:
            person.connection.rollback()
            return
        person.connection.commit()

    @rule()
    def time_passes(self) -> None:
        """All claims run out, and what was put off is due."""
        self.owner.execute(
            "UPDATE comity.claim SET until = now() - interval '1 second' WHERE lease IN "
            "(SELECT lease FROM comity.claim FOR UPDATE SKIP LOCKED)"
        )
        self.owner.execute(
            "UPDATE comity.comment SET due_at = now() WHERE id IN "
            "(SELECT id FROM comity.comment WHERE due_at > now() FOR UPDATE SKIP LOCKED)"
        )

    @precondition(lambda self: self.committed)
    @rule(name=st.sampled_from((*MODERATORS, WEBSITE)), number=numbers)
    def look(self, name: str, number: int) -> None:
        """A moderator or the website sees a comment as it is now, for them."""
        person, comment = self.people[name], self._pick(number)
        person.seen = seen = comments.see(person.connection, comment, None)
        now = self._now(name, comment)
        assert (seen.state, seen.version, seen.content_version, seen.due) == (
            now.state,
            now.version,
            now.content,
            now.due,
        )
        if not person.locked:
            person.connection.rollback()

    @rule(name=st.sampled_from(MODERATORS), action=outcomes, leave_open=st.booleans(), mixed=st.booleans())
    def review(self, name: str, action: Action, leave_open: bool, mixed: bool) -> None:
        """A moderator decides what they saw. mixed: with today's version, but of a text that is another one by now."""
        seen = self.people[name].seen
        if seen is None:
            return
        ruling = Ruling(seen.id, action, Actor.MODERATOR, seen.state, seen.version, seen.content_version, name)
        now = self._now(name, seen.id)
        if mixed and now.content != seen.content_version:
            ruling = replace(ruling, from_state=now.state, version=now.version)
        self._rule(name, [ruling], leave_open=leave_open)

    @rule(withdraw=st.booleans(), leave_open=st.booleans())
    def author(self, withdraw: bool, leave_open: bool) -> None:
        """The website changes or takes back what it saw; not if it moved on."""
        seen = self.people[WEBSITE].seen
        if seen is None:
            return

        def act(connection: Any) -> Any:
            if withdraw:
                return comments.withdraw(connection, seen, "key")
            return comments.edit(connection, seen, Revision(body=f"Another text {new_id()}."), "key")

        now = self._now(WEBSITE, seen.id)
        same = (now.state, now.version) == (seen.state, seen.version)
        try:
            self._act(WEBSITE, [seen.id], act)
        except Blocked:
            return
        except MoveError:
            assert seen.state not in (State.PENDING, State.PUBLISHED, State.FLAGGED)
            return
        except Conflict:
            assert not same
            self._over(WEBSITE, commit=False)
            return
        assert same
        after = now.decided(State.WITHDRAWN, Actor.WEBSITE) if withdraw else now.edited()
        self.people[WEBSITE].changed[seen.id] = after
        if not leave_open:
            self._over(WEBSITE, commit=True)

    @rule(name=st.sampled_from(ACTORS), commit=st.booleans())
    def end(self, name: str, commit: bool) -> None:
        """An open transaction is committed, or comes to nothing."""
        self._over(name, commit=commit)

    @rule(name=st.sampled_from(ACTORS))
    def die(self, name: str) -> None:
        """A process is killed with its transaction open; another one takes its place."""
        person = self.people[name]
        pid = person.connection.info.backend_pid
        person.connection.close()
        while self.owner.execute("SELECT FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone():
            pass  # until the server has noticed
        self.people[name] = Person(self._connect(name), seen=person.seen, lease=person.lease, claimed=person.claimed)

    # What holds ----------------------------------------------------------------------------------------------------

    @invariant()
    def the_database_is_the_model(self) -> None:
        """State, versions, the queue and the whole record, of each comment."""
        rows = self.owner.execute(
            "SELECT c.id, c.state, c.version, c.content_version, c.due_at IS NOT NULL AS due, c.decisions, "
            "coalesce((SELECT array_agg(row(d.seq, d.to_state, d.actor, d.content_version, d.version)::text "
            "ORDER BY d.seq) FROM comity.decision d WHERE d.comment_id = c.id), '{}') AS record, "
            "(SELECT count(*) FROM comity.outbox o WHERE o.comment_id = c.id) AS events "
            "FROM comity.comment c WHERE c.id = ANY(%s)",
            [list(self.committed)],
        ).fetchall()
        found = {row.id: tuple(row[1:]) for row in rows}
        assert found == {
            key: (
                str(one.state), one.version, one.content, one.due, len(one.record),
                [f"({seq},{to},{actor},{content},{version})" for seq, to, actor, content, version in one.record],
                len(one.record) - (one.content - 1),  # an edit is told by the verdict on it
            )
            for key, one in self.committed.items()
        }  # fmt: skip

    @invariant()
    def counts_are_true(self) -> None:
        """Of the published comments in each tree and thread."""
        wrong = self.owner.execute(
            "SELECT t.id FROM comity.thread t WHERE t.key = %(key)s AND (t.published <> (SELECT count(*) FROM "
            "comity.comment c WHERE c.thread_id = t.id AND c.state = 'published') OR EXISTS (SELECT FROM comity.tree r "
            "WHERE r.thread_id = t.id AND r.published <> (SELECT count(*) FROM comity.comment c "
            "WHERE c.root_id = r.root_id AND c.state = 'published')))",
            {"key": self.place},
        ).fetchall()
        assert wrong == []

    def teardown(self) -> None:
        """Everybody stops; what is left is judged; the record of the whole database is whole, its counters too."""
        for name in ACTORS:
            self._over(name, commit=False)
            self.people[name].connection.close()
        self.time_passes()
        self.world.settle()
        assert self.owner.execute("SELECT id FROM comity.comment WHERE due_at IS NOT NULL").fetchall() == []
        check(self.world)
        self.owner.close()


def test_moves_in_any_order_leave_what_the_model_says(world: World) -> None:
    """Workers, moderators and authors at once, with stale views, open transactions, claims that run out, and kills."""
    Moves.world = world
    run_state_machine_as_test(
        Moves, settings=settings(max_examples=EXAMPLES, stateful_step_count=STEPS, derandomize=not FULL, deadline=None)
    )
