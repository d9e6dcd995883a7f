"""The states of a comment and every move between them.

This table is the only place that knows which move exists. `advance` answers what a move leads to;
`service.store.comments` is the only place that carries it out.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache


class State(StrEnum):
    """Where a comment stands."""

    PENDING = "pending"
    PUBLISHED = "published"
    FLAGGED = "flagged"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    ERASED = "erased"


class Actor(StrEnum):
    """Who moves a comment."""

    POLICY = "policy"
    MODERATOR = "moderator"
    AUTHOR = "author"
    WEBSITE = "website"
    OPERATOR = "operator"


class Action(StrEnum):
    """What an actor asks for."""

    PUBLISH = "publish"
    FLAG = "flag"
    REJECT = "reject"
    EDIT = "edit"
    WITHDRAW = "withdraw"
    ERASE = "erase"


class MoveError(Exception):
    """Raised when the table has no such move."""

    def __init__(self, state: State, action: Action, actor: Actor) -> None:
        super().__init__(f"a {state} comment cannot be moved by {actor}: {action}")
        self.state, self.action, self.actor = state, action, actor


@dataclass(frozen=True, slots=True)
class Move:
    """One step: the state it leads to, and the event told (None: nothing is told)."""

    to: State
    event: str | None


OUTCOMES = {Action.PUBLISH: State.PUBLISHED, Action.FLAG: State.FLAGGED, Action.REJECT: State.REJECTED}

_JUDGED = frozenset({State.PENDING, State.PUBLISHED, State.FLAGGED})  # published and flagged: after an edit
_REVIEWED = frozenset({State.PENDING, State.FLAGGED, State.PUBLISHED, State.REJECTED})
_OPEN = frozenset({State.PENDING, State.FLAGGED, State.PUBLISHED})
_SUBMITTERS = frozenset({Actor.AUTHOR, Actor.WEBSITE})
_ERASERS = frozenset({Actor.AUTHOR, Actor.OPERATOR})


@cache
def advance(state: State, action: Action, actor: Actor) -> Move:
    """The move that `action` by `actor` makes from `state`.

    Raises MoveError when the table has none. Policy judges a comment that waits for judgement: a new one, or an
    edited one that is published or flagged until the new text is judged. What a person flagged, policy never
    publishes: `service.domain.policy` sees to that through `Facts.held`.
    """
    if action in OUTCOMES:
        froms = {Actor.POLICY: _JUDGED, Actor.MODERATOR: _REVIEWED}.get(actor, frozenset())
        if state in froms:
            # An edit that is public now, or a moderator's second word: none is a comment that was not there before.
            again = state is State.PUBLISHED and action is Action.PUBLISH
            return Move(OUTCOMES[action], "comment.changed" if again else f"comment.{OUTCOMES[action]}")
    if action is Action.EDIT and actor in _SUBMITTERS and state in _OPEN:
        return Move(state, None)  # readers still see the old text; the verdict on the new one is told
    if action is Action.WITHDRAW and actor in _SUBMITTERS and state in _OPEN:
        return Move(State.WITHDRAWN, "comment.withdrawn")
    if action is Action.ERASE and actor in _ERASERS and state is not State.ERASED:
        return Move(State.ERASED, "comment.erased")
    raise MoveError(state, action, actor)
