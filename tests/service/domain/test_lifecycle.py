"""The table of moves: exactly these, whoever asks."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.lifecycle import Action, Actor, Move, MoveError, State, advance

S, A, W = State, Action, Actor

#: The table, spelt out: who may ask for what in which states, where it leads (None: the state stays), and what is told.
_REVIEWED = (S.PENDING, S.FLAGGED, S.PUBLISHED, S.REJECTED)
_OPEN = (S.PENDING, S.FLAGGED, S.PUBLISHED)
TABLE: dict[tuple[State, Action, Actor], Move] = {
    **{(state, A.PUBLISH, W.POLICY): Move(S.PUBLISHED, "comment.published") for state in (S.PENDING, S.FLAGGED)},
    (S.PUBLISHED, A.PUBLISH, W.POLICY): Move(S.PUBLISHED, "comment.changed"),
    **{(state, A.FLAG, W.POLICY): Move(S.FLAGGED, "comment.flagged") for state in _OPEN},
    **{(state, A.REJECT, W.POLICY): Move(S.REJECTED, "comment.rejected") for state in _OPEN},
    **{
        (state, A.PUBLISH, W.MODERATOR): Move(S.PUBLISHED, "comment.published")
        for state in _REVIEWED
        if state is not S.PUBLISHED
    },
    (S.PUBLISHED, A.PUBLISH, W.MODERATOR): Move(S.PUBLISHED, "comment.changed"),
    **{(state, A.FLAG, W.MODERATOR): Move(S.FLAGGED, "comment.flagged") for state in _REVIEWED},
    **{(state, A.REJECT, W.MODERATOR): Move(S.REJECTED, "comment.rejected") for state in _REVIEWED},
    **{(state, A.EDIT, who): Move(state, None) for state in _OPEN for who in (W.AUTHOR, W.WEBSITE)},
    **{
        (state, A.WITHDRAW, who): Move(S.WITHDRAWN, "comment.withdrawn")
        for state in _OPEN
        for who in (W.AUTHOR, W.WEBSITE)
    },
    **{
        (state, A.ERASE, who): Move(S.ERASED, "comment.erased")
        for state in State
        for who in (W.AUTHOR, W.OPERATOR)
        if state is not S.ERASED
    },
}


@pytest.mark.parametrize(("state", "action", "actor"), list(product(State, Action, Actor)))
def test_the_table_has_these_moves_and_no_others(state: State, action: Action, actor: Actor) -> None:
    """Each of the 180 combinations is in the table, or refused by name."""
    expected = TABLE.get((state, action, actor))
    if expected is not None:
        assert advance(state, action, actor) == expected
        return
    with pytest.raises(MoveError) as refusal:
        advance(state, action, actor)
    assert (refusal.value.state, refusal.value.action) == (state, action)


asks = st.lists(st.tuples(st.sampled_from(Action), st.sampled_from(Actor)), max_size=30)


@given(asks)
def test_however_it_is_moved_what_is_over_stays_over(wishes: list[tuple[Action, Actor]]) -> None:
    """From erased nothing leads away, from withdrawn only erasure; nothing goes back to pending."""
    state = State.PENDING
    moved = False
    for action, actor in wishes:
        before = state
        try:
            state = advance(state, action, actor).to
        except MoveError:
            assert state is before
            continue
        moved = moved or action is not Action.EDIT
        assert before is not State.ERASED
        assert before is not State.WITHDRAWN or state is State.ERASED
        assert not (moved and state is State.PENDING)


def test_policy_alone_never_judges_what_a_person_rejected() -> None:
    """Rejected, withdrawn and erased comments are none of its business."""
    for state, action in product((State.REJECTED, State.WITHDRAWN, State.ERASED), Action):
        with pytest.raises(MoveError):
            advance(state, action, Actor.POLICY)
