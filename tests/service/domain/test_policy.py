"""Verdicts: rules in order, the first that fires wins, and trouble ends with a human."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from service.domain import policies
from service.domain.lifecycle import Action
from service.domain.policy import (
    DEFAULT_THRESHOLDS,
    LABELS,
    PUBLIC_WORDS,
    REVIEW_REASONS,
    RULES,
    Facts,
    Policy,
    Reason,
    Thresholds,
    judge,
)

QUIET = dict.fromkeys(LABELS, 0.01)
STRICTNESS = {Action.PUBLISH: 0, Action.FLAG: 1, Action.REJECT: 2}

probability = st.floats(0, 1)
opinions = st.dictionaries(st.sampled_from(LABELS), probability | st.none()).map(lambda some: {**QUIET, **some})
thresholds = st.fixed_dictionaries(
    {label: st.tuples(probability, probability).map(lambda pair: Thresholds(*sorted(pair))) for label in LABELS}
)
some_policy = st.builds(
    Policy,
    thresholds=thresholds,
    max_links=st.integers(0, 10),
    repeat_hours=st.integers(0, 720),
    repeat_length=st.integers(1, 100),
    unsupported_language=st.sampled_from(["hold", "rules"]),
)
some_facts = st.builds(
    Facts,
    scores=opinions,
    links=st.integers(0, 20),
    repeats=st.integers(0, 5),
    length=st.integers(0, 200),
    thread_closed=st.booleans(),
    verified=st.booleans(),
    held=st.booleans(),
    exhausted=st.booleans(),
)


@pytest.mark.parametrize(
    ("changed", "action", "rule", "reason"),
    [
        ({}, Action.PUBLISH, "otherwise", None),
        ({"exhausted": True}, Action.FLAG, "tried_too_often", Reason.NO_SCORE),
        ({"thread_closed": True}, Action.FLAG, "closed_thread", Reason.CLOSED_THREAD),
        ({"scores": None}, Action.FLAG, "no_score", Reason.NO_SCORE),
        ({"scores": {**QUIET, "spam": float("nan")}}, Action.FLAG, "no_score", Reason.NO_SCORE),
        ({"scores": {**QUIET, "spam": float("inf")}}, Action.FLAG, "no_score", Reason.NO_SCORE),
        ({"scores": {**QUIET, "spam": -0.5}}, Action.FLAG, "no_score", Reason.NO_SCORE),
        ({"held": True}, Action.FLAG, "held", Reason.HELD),
        ({"scores": {**QUIET, "spam": 0.95}}, Action.REJECT, "score_rejects", Reason.SPAM),
        ({"scores": {**QUIET, "spam": 0.94}}, Action.FLAG, "score_flags", Reason.SPAM),
        ({"scores": {**QUIET, "spam": 0.50}}, Action.FLAG, "score_flags", Reason.SPAM),
        ({"scores": {**QUIET, "spam": 0.49}}, Action.PUBLISH, "otherwise", None),
        ({"links": 3}, Action.PUBLISH, "otherwise", None),
        ({"links": 4}, Action.FLAG, "too_many_links", Reason.TOO_MANY_LINKS),
        ({"links": 4, "verified": True}, Action.PUBLISH, "otherwise", None),
        ({"repeats": 1, "length": 20}, Action.FLAG, "repeat", Reason.REPEAT),
        ({"repeats": 1, "length": 19}, Action.PUBLISH, "otherwise", None),
        ({"repeats": 1, "length": 20, "verified": True}, Action.PUBLISH, "otherwise", None),
        ({"scores": {**QUIET, "threat": None}}, Action.FLAG, "language", Reason.LANGUAGE),
        ({"scores": {}}, Action.FLAG, "language", Reason.LANGUAGE),
        ({"scores": {**QUIET, "threat": 0.31, "toxicity": 0.9}}, Action.FLAG, "score_flags", Reason.TOXICITY),
    ],
)
def test_each_rule_alone(changed: dict[str, Any], action: Action, rule: str, reason: Reason | None) -> None:
    """At the ends of each threshold."""
    halves = {label: Thresholds(0.30 if label == "threat" else 0.50, 0.95) for label in LABELS}
    verdict = judge(replace(Facts(scores=QUIET), **changed), Policy(thresholds=halves))
    assert (verdict.action, verdict.rule, verdict.reason) == (action, rule, reason)


def test_the_rules_stand_in_this_order() -> None:
    """What could hide trouble stands behind what finds it."""
    assert [rule.__name__.removeprefix("_") for rule in RULES] == [
        "exhausted", "closed_thread", "no_score", "held", "score_rejects", "too_many_links", "repeat", "score_flags",
        "language",
    ]  # fmt: skip


@given(some_facts, some_policy)
def test_the_first_rule_that_fires_wins(facts: Facts, policy: Policy) -> None:
    """The verdict is that of the first rule with an answer, and publication only where none has one."""
    answers = [verdict for rule in RULES if (verdict := rule(facts, policy)) is not None]
    verdict = judge(facts, policy)
    if answers:
        assert verdict == answers[0]
    else:
        assert (verdict.action, verdict.reason) == (Action.PUBLISH, None)
    assert (verdict.action is Action.PUBLISH) is (not answers)


@given(some_facts, some_policy, st.sampled_from(LABELS), probability)
def test_a_higher_score_is_never_judged_more_mildly(facts: Facts, policy: Policy, label: str, higher: float) -> None:
    """Raising one probability and nothing else moves the verdict from publish over flag to reject, if at all."""
    before = (facts.scores or {})[label]
    assume(before is not None and higher >= before)
    raised = replace(facts, scores={**(facts.scores or {}), label: higher})
    assert STRICTNESS[judge(raised, policy).action] >= STRICTNESS[judge(facts, policy).action]


@given(some_facts, some_policy, st.sampled_from([None, {"spam": float("nan")}, {"insult": 2.0}, {"threat": -1e-9}]))
def test_without_a_score_nothing_is_published(facts: Facts, policy: Policy, scores: Any) -> None:
    """Whatever else is known and whatever the site allows."""
    assert judge(replace(facts, scores=scores), policy).action is Action.FLAG


@given(some_facts, some_policy)
def test_what_a_person_holds_or_a_closed_thread_is_never_published(facts: Facts, policy: Policy) -> None:
    """Neither is a comment that was tried too often."""
    for changed in ({"held": True}, {"thread_closed": True}, {"exhausted": True}):
        assert judge(replace(facts, **changed), policy).action is Action.FLAG


@given(some_facts, some_policy)
def test_an_unsupported_language_is_held_unless_the_site_leaves_it_to_the_rules(facts: Facts, policy: Policy) -> None:
    """With "hold", no opinion on any label is enough to keep a comment back."""
    silent = replace(facts, scores=dict.fromkeys(LABELS))
    assert judge(silent, replace(policy, unsupported_language="hold")).action is Action.FLAG


@given(some_facts, some_policy)
def test_being_vouched_for_lifts_links_and_repeats_alone(facts: Facts, policy: Policy) -> None:
    """A verified author's scores count like anybody's."""
    verified = judge(replace(facts, verified=True), policy)
    plain = judge(replace(facts, verified=False, links=0, repeats=0), policy)
    assert verified == plain


@given(some_facts, some_policy)
def test_a_verdict_says_why_in_a_word_the_public_may_hear(facts: Facts, policy: Policy) -> None:
    """Every reason has public words, and none of them holds a number."""
    reason = judge(facts, policy).reason
    assert reason is None or not any(character.isdigit() for character in PUBLIC_WORDS[reason])


def test_every_reason_has_words_and_every_label_is_a_reason() -> None:
    """The enum, the words and the training labels agree."""
    assert set(PUBLIC_WORDS) == set(Reason)
    assert {Reason(label) for label in LABELS} <= set(REVIEW_REASONS)
    assert set(DEFAULT_THRESHOLDS) == set(LABELS)
    assert all(0 < t.publish_below <= t.reject_above <= 1 for t in DEFAULT_THRESHOLDS.values())


@given(some_policy)
def test_a_policy_survives_its_document(policy: Policy) -> None:
    """Written and read again it is the same."""
    assert policies.read(policies.write(policy), policy.version) == policy


def test_an_empty_document_is_the_default() -> None:
    """Whatever is left out keeps its default, also within a label."""
    assert policies.read({}, 0) == replace(Policy(), thresholds=dict(DEFAULT_THRESHOLDS))
    half = policies.read({"thresholds": {"spam": {"publish_below": 0.2}}}, 3)
    assert half.thresholds["spam"] == Thresholds(0.2, DEFAULT_THRESHOLDS["spam"].reject_above)
    assert half.version == 3
