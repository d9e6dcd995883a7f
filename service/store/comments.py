"""The one door for changes of comments: editing, withdrawing and deciding. `service.store.submissions` takes them in.

Every change of state goes through `decide`: it asks the lifecycle, changes the row if it still is what was seen, and
writes the decision, its event, the counters and the thread in the same transaction.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from service.domain.lifecycle import Action, Actor, Move, State, advance
from service.domain.reasons import LABELS, Reason
from service.store import outbox
from service.store.arrays import array
from service.store.database import Connection


class Refused(Exception):
    """Raised when a comment cannot be taken as it is. `code` says why: see `comity.submit` in the schema."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Conflict(Exception):
    """Raised when a comment is not, or no longer, what the caller saw."""

    def __init__(self, state: str, version: int) -> None:
        super().__init__(f"the comment is {state} at version {version}")
        self.state, self.version = state, version


class NotFound(Exception):
    """Raised when there is no such thing in this site."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """One wish to move a comment, and all that the record of it will say.

    from_state, version, content_version: what the caller saw; if any has changed, nothing happens.
    scores: label to probability or None, where the content was scored; kept with the comment and in the record.
    """

    comment_id: UUID
    action: Action
    actor: Actor
    from_state: State
    version: int
    content_version: int
    token_id: str | None = None
    rule: str | None = None
    reason: Reason | None = None
    note: str | None = None
    saw: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, float | None] | None = None
    detected: str | None = None
    model: str | None = None
    policy_version: int | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """A move that took effect."""

    comment_id: UUID
    state: State
    version: int
    seq: int


# Rows are locked by a statement of their own, in order. One that locks and changes would change from the version of its
# snapshot, and follow the row from there a second time: two that do so on one row can wait for each other.
_LOCK_COMMENTS = "SELECT FROM comity.comment WHERE id = ANY(%s::uuid[]) ORDER BY id FOR NO KEY UPDATE"
_LOCK_THREADS = "SELECT FROM comity.thread WHERE id = ANY(%s::uuid[]) ORDER BY id FOR NO KEY UPDATE"

_MOVE = f"""
WITH wanted AS (
    SELECT * FROM unnest(
        %(id)s::uuid[], %(from_state)s::text[], %(to_state)s::text[], %(version)s::int[], %(content_version)s::int[],
        %(policy)s::boolean[], %(reason)s::text[], %(scored)s::boolean[], %(detected)s::text[], %(model)s::text[],
        {", ".join(f"%({label})s::real[]" for label in LABELS)}
    ) AS w (id, from_state, to_state, version, content_version, policy, reason, scored, detected, model,
            {", ".join(LABELS)})
)
UPDATE comity.comment c SET
    state = w.to_state,
    reason = w.reason,
    version = c.version + 1,
    decisions = c.decisions + 1,
    due_at = NULL, lease = NULL, attempts = 0,
    shown_name = NULL, shown_body = NULL, shown_website = NULL,
    updated_at = now(),
    published_at = CASE WHEN w.to_state = 'published' THEN coalesce(c.published_at, now()) ELSE c.published_at END,
    published_content = CASE WHEN w.to_state = 'published' THEN c.content_version ELSE c.published_content END,
    edited = c.edited OR (w.to_state = 'published' AND c.published_content <> c.content_version) IS TRUE,
    detected = CASE WHEN w.scored THEN w.detected ELSE c.detected END,
    model = CASE WHEN w.scored THEN w.model ELSE c.model END,
    {", ".join(f"{label} = CASE WHEN w.scored THEN w.{label} ELSE c.{label} END" for label in LABELS)}
FROM wanted w
WHERE c.id = w.id AND c.version = w.version AND c.content_version = w.content_version AND c.state = w.from_state
  AND (c.due_at IS NOT NULL OR NOT w.policy)
RETURNING c.id, c.site_id, c.thread_id, c.root_id, c.decisions AS seq, c.version, old.reason AS old_reason
"""


def decide(connection: Connection, rulings: Sequence[Ruling]) -> list[Decided]:
    """Carry out the rulings whose comment still is what was seen; the others are passed over in silence.

    Runs inside the caller's transaction. Raises MoveError, with nothing done, for a move the lifecycle does not have.
    """
    moves = {ruling.comment_id: (ruling, advance(ruling.from_state, ruling.action, ruling.actor)) for ruling in rulings}
    if not moves:
        return []
    ids = array("uuid", moves)
    with connection.pipeline():
        connection.execute(_LOCK_COMMENTS, [ids])
        rows = connection.execute(_MOVE, {"id": ids, **_columns(list(moves.values()))}, binary=True).fetchall()
    steps = [
        _Step(row.site_id, row.thread_id, row.root_id, row.seq, row.version, row.old_reason, *moves[row.id])
        for row in rows
    ]
    _record(connection, steps)
    return [Decided(step.ruling.comment_id, step.move.to, step.version, step.seq) for step in steps]


def _columns(moves: Sequence[tuple[Ruling, Move]]) -> dict[str, bytes]:
    """The parameters of `_MOVE`, all but the ids."""
    wished = [ruling for ruling, _ in moves]
    scores = [ruling.scores or {} for ruling in wished]
    return {
        "from_state": array("text", [ruling.from_state for ruling in wished]),
        "to_state": array("text", [move.to for _, move in moves]),
        "version": array("int4", [ruling.version for ruling in wished]),
        "content_version": array("int4", [ruling.content_version for ruling in wished]),
        "policy": array("bool", [ruling.actor is Actor.POLICY for ruling in wished]),
        "reason": array("text", [ruling.reason for ruling in wished]),
        "scored": array("bool", [ruling.model is not None for ruling in wished]),
        "detected": array("text", [ruling.detected for ruling in wished]),
        "model": array("text", [ruling.model for ruling in wished]),
        **{label: array("float4", [one.get(label) for one in scores]) for label in LABELS},
    }


@dataclass(frozen=True, slots=True)
class _Step:
    site_id: UUID
    thread_id: UUID
    root_id: UUID
    seq: int
    version: int
    old_reason: str | None
    ruling: Ruling
    move: Move

    @property
    def published(self) -> int:
        """By how much this step changes the number of published comments."""
        return (self.move.to is State.PUBLISHED) - (self.ruling.from_state is State.PUBLISHED)

    @property
    def visible(self) -> bool:
        return State.PUBLISHED in (self.move.to, self.ruling.from_state)


def _record(connection: Connection, steps: Sequence[_Step]) -> None:
    """Write what belongs to each step: its decision and event, the counters, the tree and the thread."""
    if not steps:
        return
    with connection.pipeline():
        _write_decisions(connection, steps)
        _write_events(connection, steps)
        _write_counters(connection, steps)
        _write_trees(connection, steps)
        _write_threads(connection, steps)


_DECISIONS = """
INSERT INTO comity.decision (comment_id, seq, site_id, from_state, to_state, action, actor, token_id, rule, reason,
                             note, saw, scores, model, policy_version, content_version, version)
SELECT * FROM unnest(%s::uuid[], %s::int[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
                     %s::text[], %s::text[], %s::text[], %s::jsonb[], %s::jsonb[], %s::text[], %s::int[], %s::int[],
                     %s::int[])
"""


def _write_decisions(connection: Connection, steps: Sequence[_Step]) -> None:
    rulings = [step.ruling for step in steps]
    columns = [
        array("uuid", [ruling.comment_id for ruling in rulings]),
        array("int4", [step.seq for step in steps]),
        array("uuid", [step.site_id for step in steps]),
        array("text", [ruling.from_state for ruling in rulings]),
        array("text", [step.move.to for step in steps]),
        array("text", [ruling.action for ruling in rulings]),
        array("text", [ruling.actor for ruling in rulings]),
        array("text", [ruling.token_id for ruling in rulings]),
        array("text", [ruling.rule for ruling in rulings]),
        array("text", [ruling.reason for ruling in rulings]),
        array("text", [ruling.note for ruling in rulings]),
        array("jsonb", [ruling.saw for ruling in rulings]),
        array("jsonb", [ruling.scores for ruling in rulings]),
        array("text", [ruling.model for ruling in rulings]),
        array("int4", [ruling.policy_version for ruling in rulings]),
        array("int4", [ruling.content_version for ruling in rulings]),
        array("int4", [step.version for step in steps]),
    ]
    connection.execute(_DECISIONS, columns)


def _write_events(connection: Connection, steps: Sequence[_Step]) -> None:
    outbox.write(
        connection,
        [
            outbox.Event(step.site_id, step.ruling.comment_id, step.seq, step.move.event)
            for step in steps
            if step.move.event
        ],
    )


def _write_counters(connection: Connection, steps: Sequence[_Step]) -> None:
    """Pending comments are not counted here: their number is read from the queue's index."""
    changes: Counter[tuple[UUID, str, str]] = Counter()
    for step in steps:
        if step.ruling.from_state is not State.PENDING:
            changes[step.site_id, step.ruling.from_state, step.old_reason or ""] -= 1
        changes[step.site_id, step.move.to, step.ruling.reason or ""] += 1
    rows = [(*key, n) for key, n in changes.items() if n]
    if rows:
        sites, states, reasons, numbers = zip(*rows, strict=True)
        connection.execute(
            "INSERT INTO comity.counter_change (site_id, state, reason, n) "
            "SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::int[])",
            [array("uuid", sites), array("text", states), array("text", reasons), array("int4", numbers)],
        )


def _write_trees(connection: Connection, steps: Sequence[_Step]) -> None:
    changes: Counter[UUID] = Counter()
    for step in steps:
        changes[step.root_id] += step.published
    rows = sorted((root, n) for root, n in changes.items() if n)
    if rows:
        connection.execute(
            "INSERT INTO comity.tree AS t (root_id, thread_id, created_at, published) "
            "SELECT c.id, c.thread_id, c.created_at, u.n FROM unnest(%s::uuid[], %s::int[]) AS u (root_id, n) "
            "JOIN comity.comment c ON c.id = u.root_id ORDER BY c.id "
            "ON CONFLICT (root_id) DO UPDATE SET published = t.published + excluded.published",
            [array("uuid", [root for root, _ in rows]), array("int4", [n for _, n in rows])],
        )


def _write_threads(connection: Connection, steps: Sequence[_Step]) -> None:
    changes: Counter[UUID] = Counter()
    for step in steps:
        if step.visible:
            changes[step.thread_id] += step.published
    if changes:
        ids = array("uuid", changes)
        connection.execute(_LOCK_THREADS, [ids])
        connection.execute(
            "UPDATE comity.thread t SET published = t.published + change.n, version = t.version + 1, "
            "changed_at = now() FROM unnest(%s::uuid[], %s::int[]) AS change (id, n) WHERE t.id = change.id",
            [ids, array("int4", changes.values())],
        )


@dataclass(frozen=True, slots=True)
class Revision:
    """What an author changes: None leaves a field as it is. `website` "" removes it."""

    name: str | None = None
    body: str | None = None
    website: str | None = None
    digest: bytes | None = None


_REVISE = f"""
UPDATE comity.comment c SET
    shown_name = CASE WHEN c.state = 'published' THEN coalesce(c.shown_name, c.name) END,
    shown_body = CASE WHEN c.state = 'published' THEN coalesce(c.shown_body, c.body) END,
    shown_website = CASE WHEN c.state <> 'published' THEN NULL
                         WHEN c.shown_body IS NULL THEN c.website ELSE c.shown_website END,
    name = coalesce(%(name)s, c.name),
    body = coalesce(%(body)s, c.body),
    website = CASE WHEN %(website)s::text IS NULL THEN c.website ELSE nullif(%(website)s, '') END,
    digest = coalesce(%(digest)s, c.digest),
    model = NULL, detected = NULL, {", ".join(f"{label} = NULL" for label in LABELS)},
    version = c.version + 1, content_version = c.content_version + 1, decisions = c.decisions + 1,
    due_at = now(), attempts = 0, lease = NULL, updated_at = now()
WHERE c.id = %(id)s AND c.version = %(version)s
RETURNING c.id, c.site_id, c.thread_id, c.root_id, c.decisions AS seq, c.version, c.reason AS old_reason
"""


def edit(connection: Connection, seen: "Seen", revision: Revision, token_id: str | None) -> Decided:
    """Change what the author sent; it is judged again, and until then readers see what they saw.

    Runs inside the caller's transaction: a thread that is open here is not closed before that ends. Raises MoveError
    when the comment is past editing, Conflict when it is not what was seen any more, Refused("thread_closed").
    """
    move = advance(seen.state, Action.EDIT, Actor.WEBSITE)
    row = connection.execute(
        _REVISE,
        {
            "id": seen.id, "version": seen.version, "name": revision.name, "body": revision.body,
            "website": revision.website, "digest": revision.digest,
        },
    ).fetchone()  # fmt: skip
    if row is None:
        raise Conflict(*_state_now(connection, seen.id))
    if _closed(connection, row.thread_id):
        raise Refused("thread_closed")
    ruling = Ruling(
        seen.id, Action.EDIT, Actor.WEBSITE, seen.state, seen.version, seen.content_version + 1, token_id,
        reason=Reason(seen.reason) if seen.reason else None,
    )  # fmt: skip
    step = _Step(row.site_id, row.thread_id, row.root_id, row.seq, row.version, row.old_reason, ruling, move)
    with connection.pipeline():
        _write_decisions(connection, [step])
        _write_events(connection, [step])
    return Decided(seen.id, move.to, row.version, row.seq)


def _closed(connection: Connection, thread_id: UUID) -> bool:
    """Whether a thread is closed; it stays as it is until the transaction ends."""
    row = connection.execute(
        "SELECT closed_at IS NOT NULL FROM comity.thread WHERE id = %s FOR SHARE", [thread_id]
    ).fetchone()
    assert row is not None
    return bool(row[0])


def withdraw(connection: Connection, seen: "Seen", token_id: str | None) -> Decided:
    """Take a comment back for its author. Raises MoveError or Conflict."""
    return decide_one(
        connection,
        Ruling(seen.id, Action.WITHDRAW, Actor.WEBSITE, seen.state, seen.version, seen.content_version, token_id),
    )


def decide_one(connection: Connection, ruling: Ruling) -> Decided:
    """Carry out one ruling. Raises Conflict when the comment is not what was seen, MoveError as `decide` does."""
    decided = decide(connection, [ruling])
    if not decided:
        raise Conflict(*_state_now(connection, ruling.comment_id))
    return decided[0]


@dataclass(frozen=True, slots=True)
class Seen:
    """A comment as it stood when somebody looked."""

    id: UUID
    site_id: UUID
    state: State
    reason: str | None
    version: int
    content_version: int
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None
    due: bool


def see(connection: Connection, comment_id: UUID, sites: Sequence[UUID] | None) -> Seen:
    """The comment, if it belongs to one of `sites` (None: any site). Raises NotFound."""
    row = connection.execute(
        "SELECT id, site_id, state, reason, version, content_version, created_at, updated_at, published_at, "
        "due_at IS NOT NULL AS due FROM comity.comment WHERE id = %s AND (%s::uuid[] IS NULL OR site_id = ANY(%s))",
        [comment_id, sites and list(sites), sites and list(sites)],
    ).fetchone()
    if row is None:
        raise NotFound
    return Seen(row.id, row.site_id, State(row.state), *row[3:])


def _state_now(connection: Connection, comment_id: UUID) -> tuple[str, int]:
    row = connection.execute("SELECT state, version FROM comity.comment WHERE id = %s", [comment_id]).fetchone()
    if row is None:
        raise NotFound
    return row.state, row.version
