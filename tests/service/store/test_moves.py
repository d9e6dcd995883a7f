"""Every move of every actor, interleaved in any order: a model of the states beside the real store on a real database.

Each actor has a connection of its own, and may leave its transaction open while others go on. After each step the
database holds what the model says: state, versions, the record of decisions, events, counts of trees and threads.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

import psycopg
from hypothesis import Phase, settings
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
#: Without the full size a failure is told as it was found: to make it smaller takes minutes.
PHASES = tuple(Phase) if FULL else (Phase.explicit, Phase.generate)
EXAMPLES, STEPS = (1000, 80) if FULL else (15, 50)
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
    lines: ClassVar[dict[str, Any]]  # the actors' connections, kept from one example to the next
    places: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        Moves.places += 1
        self.place = f"page-{Moves.places}"
        for name in ACTORS:
            if name not in self.lines or self.lines[name].closed:
                self.lines[name] = self._connect(name)
        self.people = {name: Person(self.lines[name]) for name in ACTORS}
        if "owner" not in self.lines:
            self.lines["owner"] = psycopg.connect(self.world.owner_url, autocommit=True, row_factory=namedtuple_row)
        self.owner = self.lines["owner"]
        self.committed: dict[UUID, Entry] = {}
        for _ in range(2):
            self._submit({})

    def _submit(self, members: dict[str, str]) -> None:
        made = self.world.submit(thread={"key": self.place}, **members)
        self.committed[UUID(made["id"])] = Entry()

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

    @precondition(lambda self: len(self.committed) < 4)
    @rule(reply_to=numbers, reply=st.booleans())
    def submit(self, reply_to: int, reply: bool) -> None:
        """A comment comes in, perhaps as an answer to a published one."""
        above = [key for key, one in self.committed.items() if one.state is State.PUBLISHED]
        parent = {"parent_id": str(above[reply_to % len(above)])} if reply and above else {}
        self._submit(parent)

    @precondition(lambda self: any(one.due for one in self.committed.values()))
    @rule(name=st.sampled_from(WORKERS), again=st.booleans())
    def claim(self, name: str, again: bool) -> None:
        """A worker claims what is due and nobody's; what it gets is what stands there."""
        person = self.people[name]
        if person.locked:
            self._over(name, commit=True)
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

    @precondition(lambda self: any(one.claimed for one in self.people.values()))
    @rule(number=numbers, action=outcomes, leave_open=st.booleans())
    def judge(self, number: int, action: Action, leave_open: bool) -> None:
        """A worker decides what it once claimed, however late; what changed meanwhile is passed over."""
        having = [name for name in WORKERS if self.people[name].claimed]
        name = having[number % len(having)]
        person = self.people[name]
        rulings = [
            Ruling(one.id, action, Actor.POLICY, one.state, one.version, one.content_version) for one in person.claimed
        ]
        self._rule(name, rulings, leave_open=leave_open, lease=person.lease)

    @precondition(lambda self: any(one.claimed and not one.locked for one in self.people.values()))
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

    @rule(name=st.sampled_from((*MODERATORS, WEBSITE)), number=numbers)
    def look(self, name: str, number: int) -> None:
        """A moderator or the website sees a comment as it is now, for them."""
        self._look(name, number)

    def _look(self, name: str, number: int) -> Seen:
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
        return seen

    @rule(name=st.sampled_from(MODERATORS), number=numbers, action=outcomes, leave_open=st.booleans(), again=st.booleans())  # fmt: skip
    def review(self, name: str, number: int, action: Action, leave_open: bool, again: bool) -> None:
        """A moderator decides what they see, or what they saw before (again)."""
        seen = (again and self.people[name].seen) or self._look(name, number)
        ruling = Ruling(seen.id, action, Actor.MODERATOR, seen.state, seen.version, seen.content_version, name)
        self._rule(name, [ruling], leave_open=leave_open)

    @precondition(lambda self: any(one.content > 1 for one in self.committed.values()))
    @rule(number=numbers, action=outcomes, actor=st.sampled_from((Actor.POLICY, Actor.MODERATOR)))
    def decide_another_text(self, number: int, action: Action, actor: Actor) -> None:
        """State and version are today's, the text that was read is not: nothing changes."""
        edited = [key for key, one in self.committed.items() if one.content > 1]
        name, comment = MODERATORS[0], edited[number % len(edited)]
        now = self._now(name, comment)
        self._rule(name, [Ruling(comment, action, actor, now.state, now.version, now.content - 1)], leave_open=False)

    @rule(number=numbers, actions=st.tuples(outcomes, outcomes), leave_open=st.booleans())
    def review_both(self, number: int, actions: tuple[Action, Action], leave_open: bool) -> None:
        """Two moderators see the same, and both decide: the second one changes nothing."""
        views = [self._look(name, number) for name in MODERATORS]
        for name, seen, action in zip(MODERATORS, views, actions, strict=True):
            ruling = Ruling(seen.id, action, Actor.MODERATOR, seen.state, seen.version, seen.content_version, name)
            self._rule(name, [ruling], leave_open=leave_open)

    @rule(number=numbers, withdraw=st.integers(0, 4), leave_open=st.booleans(), again=st.booleans())
    def author(self, number: int, withdraw: int, leave_open: bool, again: bool) -> None:
        """The website changes or, once in five times, takes back what it sees or saw; not if it moved on."""
        seen = (again and self.people[WEBSITE].seen) or self._look(WEBSITE, number)

        def act(connection: Any) -> Any:
            if not withdraw:
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
        after = now.edited() if withdraw else now.decided(State.WITHDRAWN, Actor.WEBSITE)
        self.people[WEBSITE].changed[seen.id] = after
        if not leave_open:
            self._over(WEBSITE, commit=True)

    @precondition(lambda self: any(one.locked for one in self.people.values()))
    @rule(number=numbers, how=st.sampled_from(("commit", "commit", "roll back", "die")))
    def end(self, number: int, how: str) -> None:
        """An open transaction is committed, comes to nothing, or its process is killed."""
        having = [name for name in ACTORS if self.people[name].locked]
        name = having[number % len(having)]
        if how == "die":
            self._die(name)
        else:
            self._over(name, commit=how == "commit")

    def _die(self, name: str) -> None:
        person = self.people[name]
        pid = person.connection.info.backend_pid
        person.connection.close()
        while self.owner.execute("SELECT FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone():
            pass  # until the server has noticed
        self.lines[name] = self._connect(name)
        self.people[name] = Person(self.lines[name], seen=person.seen, lease=person.lease, claimed=person.claimed)

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
            "comity.comment c WHERE c.thread_id = t.id AND c.state = 'published') OR EXISTS (SELECT FROM "
            "(SELECT root_id, published FROM comity.tree WHERE thread_id = t.id) AS r FULL JOIN "
            "(SELECT root_id, count(*) AS n FROM comity.comment WHERE thread_id = t.id AND state = 'published' GROUP BY 1) "
            "AS c USING (root_id) WHERE coalesce(r.published, 0) <> coalesce(c.n, 0)))",
            {"key": self.place},
        ).fetchall()
        assert wrong == []

    def teardown(self) -> None:
        """Everybody stops; what is left is judged; the record of the whole database is whole, its counters too."""
        for person in self.people.values():
            person.connection.rollback()
        self.time_passes()
        self.world.settle()
        assert self.owner.execute("SELECT id FROM comity.comment WHERE due_at IS NOT NULL").fetchall() == []
        check(self.world)


def test_moves_in_any_order_leave_what_the_model_says(world: World) -> None:
    """Workers, moderators and authors at once, with stale views, open transactions, claims that run out, and kills."""
    Moves.world, Moves.lines = world, {}
    try:
        run_state_machine_as_test(
            Moves,
            settings=settings(
                max_examples=EXAMPLES, stateful_step_count=STEPS, derandomize=not FULL, deadline=None, phases=PHASES
            ),
        )
    finally:
        for line in Moves.lines.values():
            line.close()
