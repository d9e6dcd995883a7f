"""Verdicts: rules in order, the first that fires wins, and trouble ends with a human."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from service.domain import policies
from service.domain.facts import Ban, Facts, Text
from service.domain.lifecycle import Action
from service.domain.matching import Lexicon, Matcher, Patterns
from service.domain.policies import UnknownList
from service.domain.policy import DEFAULT_RULES, Policy, judge
from service.domain.reasons import LABELS, PUBLIC_WORDS, REVIEW_REASONS, Reason
from service.domain.rules import (
    DEFAULT_THRESHOLDS,
    KINDS,
    Audit,
    Bans,
    ClosedThread,
    DisposableEmail,
    FirstComment,
    Language,
    Links,
    Match,
    Repeats,
    Rule,
    Scores,
    Status,
    Thresholds,
    Unreadable,
)

QUIET = dict.fromkeys(LABELS, 0.01)
STRICTNESS = {Action.PUBLISH: 0, Action.FLAG: 1, Action.REJECT: 2}
BAN = Ban("b1", "author", "spam")

probability = st.floats(0, 1)
opinions = st.dictionaries(st.sampled_from(LABELS), probability | st.none()).map(lambda some: {**QUIET, **some})
thresholds = st.fixed_dictionaries(
    {label: st.tuples(probability, probability).map(lambda pair: Thresholds(*sorted(pair))) for label in LABELS}
)
statuses = st.sampled_from(Status)
outcomes = st.sampled_from([Action.FLAG, Action.REJECT])
words = st.sampled_from([["casino"], ["poker room", "viag*"], ["a"]])


def plain(text: str) -> str:
    """Reading without undoing anything."""
    return text.lower()


some_match = st.builds(
    lambda status, then, entries, name: Match(
        status=status, then=then, name=name, matcher=Matcher(lexicons=(Lexicon.of(entries, plain),)),
        source={"words": entries},
    ),
    statuses, outcomes, words, st.sampled_from(["one", "two"]),
)  # fmt: skip
some_rule: st.SearchStrategy[Rule] = st.one_of(
    st.builds(ClosedThread, status=statuses, then=outcomes),
    st.builds(Bans, status=statuses, then=outcomes),
    some_match,
    st.builds(Links, status=statuses, then=outcomes, most=st.integers(0, 10)),
    st.builds(DisposableEmail, status=statuses, then=outcomes),
    st.builds(Language, status=statuses, then=outcomes),
    st.builds(FirstComment, status=statuses, then=outcomes),
    st.builds(Audit, status=statuses, share=probability),
)
some_policy = st.builds(
    lambda before, repeats, scores, after: Policy((*before, repeats, scores, *after)),
    st.lists(some_rule, max_size=6),
    st.builds(
        Repeats, status=statuses, then=outcomes, hours=st.integers(1, 720), length=st.integers(1, 100),
        similarity=probability,
    ),
    st.builds(Scores, thresholds=thresholds),
    st.lists(some_rule, max_size=4),
)  # fmt: skip
some_facts = st.builds(
    Facts,
    scores=opinions,
    links=st.integers(0, 20),
    repeats=st.integers(0, 5),
    likeness=probability,
    length=st.integers(0, 200),
    thread_closed=st.booleans(),
    verified=st.booleans(),
    ban=st.sampled_from([None, BAN]),
    domain_class=st.sampled_from([None, "free", "own", "disposable"]),
    first=st.booleans(),
    lot=st.floats(0, 1, exclude_max=True),
    held=st.booleans(),
    exhausted=st.booleans(),
    unsure=st.booleans(),
    texts=st.sampled_from(["a casino", "the poker room", "viagra", "nothing"]).map(
        lambda text: {"body": Text(text, text)}
    ),
)


def wild(share: float = 0.5) -> tuple[Rule, ...]:
    """The built-in rules, those that are drafts live."""
    return tuple(
        replace(rule, status=Status.LIVE, **({"share": share} if isinstance(rule, Audit) else {}))
        for rule in DEFAULT_RULES
    )


@pytest.mark.parametrize(
    ("changed", "action", "rule", "reason"),
    [
        ({}, Action.PUBLISH, "otherwise", None),
        ({"exhausted": True}, Action.FLAG, "tried_too_often", Reason.NO_SCORE),
        ({"unsure": True}, Action.FLAG, "no_second_look", Reason.NO_SCORE),
        ({"unsure": True, "links": 4}, Action.FLAG, "links", Reason.TOO_MANY_LINKS),
        ({"unsure": True, "scores": {**QUIET, "spam": 0.97}}, Action.REJECT, "scores", Reason.SPAM),
        ({"held": True}, Action.FLAG, "held", Reason.HELD),
        ({"thread_closed": True}, Action.FLAG, "closed_thread", Reason.CLOSED_THREAD),
        ({"ban": BAN}, Action.REJECT, "bans", Reason.BANNED),
        ({"links": 3}, Action.PUBLISH, "otherwise", None),
        ({"links": 4}, Action.FLAG, "links", Reason.TOO_MANY_LINKS),
        ({"links": 4, "verified": True}, Action.PUBLISH, "otherwise", None),
        ({"repeats": 1, "length": 20}, Action.FLAG, "repeats", Reason.REPEAT),
        ({"repeats": 1, "length": 19}, Action.PUBLISH, "otherwise", None),
        ({"repeats": 1, "length": 20, "verified": True}, Action.PUBLISH, "otherwise", None),
        ({"likeness": 0.80, "length": 20}, Action.FLAG, "repeats", Reason.REPEAT),
        ({"likeness": 0.79, "length": 20}, Action.PUBLISH, "otherwise", None),
        ({"domain_class": "disposable"}, Action.FLAG, "disposable_email", Reason.DISPOSABLE_EMAIL),
        ({"domain_class": "disposable", "verified": True}, Action.PUBLISH, "otherwise", None),
        ({"domain_class": "free"}, Action.PUBLISH, "otherwise", None),
        ({"scores": None}, Action.FLAG, "no_score", Reason.NO_SCORE),
        ({"scores": {**QUIET, "spam": float("nan")}}, Action.FLAG, "no_score", Reason.NO_SCORE),
        ({"scores": {**QUIET, "spam": float("inf")}}, Action.FLAG, "no_score", Reason.NO_SCORE),
        ({"scores": {**QUIET, "spam": -0.5}}, Action.FLAG, "no_score", Reason.NO_SCORE),
        ({"scores": {**QUIET, "spam": 0.95}}, Action.REJECT, "scores", Reason.SPAM),
        ({"scores": {**QUIET, "spam": 0.94}}, Action.FLAG, "scores", Reason.SPAM),
        ({"scores": {**QUIET, "spam": 0.50}}, Action.FLAG, "scores", Reason.SPAM),
        ({"scores": {**QUIET, "spam": 0.49}}, Action.PUBLISH, "otherwise", None),
        ({"scores": {**QUIET, "threat": None}}, Action.FLAG, "language", Reason.LANGUAGE),
        ({"scores": {}}, Action.FLAG, "language", Reason.LANGUAGE),
        ({"scores": {**QUIET, "threat": 0.31, "toxicity": 0.9}}, Action.FLAG, "scores", Reason.TOXICITY),
        ({"first": True, "lot": 0.5}, Action.FLAG, "first_comment", Reason.FIRST_COMMENT),
        ({"first": True, "verified": True}, Action.PUBLISH, "otherwise", None),
        ({"lot": 0.0099}, Action.FLAG, "audit", Reason.AUDIT),
        ({"lot": 0.01}, Action.PUBLISH, "otherwise", None),
    ],
)
def test_each_rule_alone(changed: dict[str, Any], action: Action, rule: str, reason: Reason | None) -> None:
    """At the ends of each threshold, with every built-in rule live."""
    halves = {label: Thresholds(0.30 if label == "threat" else 0.50, 0.95) for label in LABELS}
    rules = tuple(replace(one, thresholds=halves) if isinstance(one, Scores) else one for one in wild(0.01))
    verdict = judge(replace(Facts(scores=QUIET), **changed), Policy(rules))
    assert (verdict.action, verdict.rule, verdict.reason) == (action, rule, reason)


def test_the_built_in_rules_stand_in_this_order() -> None:
    """What needs no score stands first; what a site has to ask for is a draft."""
    assert [(rule.kind, str(rule.status), str(rule.then)) for rule in DEFAULT_RULES] == [
        ("closed_thread", "live", "flag"), ("bans", "live", "reject"), ("links", "live", "flag"),
        ("repeats", "live", "flag"), ("disposable_email", "live", "flag"), ("language", "live", "flag"),
        ("scores", "live", "flag"), ("first_comment", "draft", "flag"), ("audit", "draft", "flag"),
    ]  # fmt: skip


@given(some_facts, some_policy)
def test_the_first_live_rule_that_fires_wins(facts: Facts, policy: Policy) -> None:
    """Behind the guards. Drafts are not asked; rules in shadow before it are noted and change nothing."""
    open_ = replace(facts, held=False, exhausted=False, unsure=False)
    live = [verdict for rule in policy.rules if rule.status is Status.LIVE and (verdict := rule.see(open_))]
    verdict = judge(open_, policy)
    if live:
        assert replace(verdict, shadow=()) == live[0]
    else:
        assert (verdict.action, verdict.reason) == (Action.PUBLISH, None)
    without = replace(policy, rules=tuple(rule for rule in policy.rules if rule.status is Status.LIVE))
    assert judge(open_, without) == replace(verdict, shadow=())
    ahead = policy.rules
    if live:
        first = next(rule for rule in policy.rules if rule.status is Status.LIVE and rule.see(open_))
        ahead = policy.rules[: next(at for at, rule in enumerate(policy.rules) if rule is first)]
    silent = [v for rule in ahead if rule.status is Status.SHADOW and (v := rule.see(open_))]
    assert list(verdict.shadow) == silent
    assert ("shadow" in verdict.as_record()) is bool(silent)


@given(some_facts, some_policy, st.sampled_from(LABELS), probability)
def test_a_higher_score_is_never_judged_more_mildly(facts: Facts, policy: Policy, label: str, higher: float) -> None:
    """Raising one probability and nothing else moves the verdict from publish over flag to reject, if at all.

    Rules behind the scores that reject are left out: for them a score that flags goes before.
    """
    at = next(at for at, rule in enumerate(policy.rules) if isinstance(rule, Scores))
    policy = Policy((*policy.rules[: at + 1], *(replace(rule, then=Action.FLAG) for rule in policy.rules[at + 1 :])))
    before = (facts.scores or {})[label]
    assume(before is not None and higher >= before)
    raised = replace(facts, scores={**(facts.scores or {}), label: higher})
    assert STRICTNESS[judge(raised, policy).action] >= STRICTNESS[judge(facts, policy).action]


@given(some_facts, some_policy, st.sampled_from([None, {"spam": float("nan")}, {"insult": 2.0}, {"threat": -1e-9}]))
def test_without_a_score_nothing_is_published(facts: Facts, policy: Policy, scores: Any) -> None:
    """Whatever else is known and whatever the site allows; not even by a policy that asks for no score."""
    assert judge(replace(facts, scores=scores), policy).action is not Action.PUBLISH
    blind = Policy(tuple(rule for rule in policy.rules if not isinstance(rule, Scores)))
    assert judge(replace(facts, scores=scores), blind).action is not Action.PUBLISH


@given(some_facts, some_policy)
def test_a_second_look_that_failed_publishes_nothing_and_changes_nothing_else(facts: Facts, policy: Policy) -> None:
    """What would have been published goes to a human; every other verdict is the one without it."""
    sure, unsure = judge(replace(facts, unsure=False), policy), judge(replace(facts, unsure=True), policy)
    if sure.action is Action.PUBLISH:
        assert (unsure.action, unsure.rule) == (Action.FLAG, "no_second_look")
    else:
        assert unsure == sure


@given(some_facts, some_policy)
def test_what_a_person_holds_or_was_tried_too_often_stays_with_people(facts: Facts, policy: Policy) -> None:
    """No policy publishes or rejects it."""
    for changed in ({"held": True}, {"exhausted": True}):
        assert judge(replace(facts, **changed), policy).action is Action.FLAG


@given(some_facts)
def test_being_vouched_for_lifts_what_a_stranger_is_held_for(facts: Facts) -> None:
    """Links, repeats, a throw-away address, a first comment; scores and bans count like anybody's."""
    policy = Policy(wild())
    verified = judge(replace(facts, verified=True), policy)
    stranger = replace(facts, verified=False, links=0, repeats=0, likeness=0.0, domain_class="own", first=False)
    assert verified == judge(stranger, policy)


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


@given(some_facts)
def test_a_policy_that_cannot_be_read_leaves_everything_to_people(facts: Facts) -> None:
    """Neither published nor rejected."""
    assert judge(facts, Policy((Unreadable(),))).action is Action.FLAG


# Documents -----------------------------------------------------------------------------------------------------------


def unmatched(policy: Policy) -> Policy:
    """A policy whose matchers, which are not compared, are all the same."""
    nothing = Matcher(patterns=NONE)
    return replace(
        policy, rules=tuple(replace(r, matcher=nothing) if isinstance(r, Match) else r for r in policy.rules)
    )


NONE = Patterns(())


@given(some_policy)
def test_a_policy_survives_its_document(policy: Policy) -> None:
    """Written and read again it is the same, and so are its verdicts."""
    document = policies.write(policy)
    again = policies.read(document, policy.version, plain)
    assert policies.write(again) == document
    assert [r for r in unmatched(again).rules if not isinstance(r, Match)] == [
        r for r in unmatched(policy).rules if not isinstance(r, Match)
    ]


@given(some_facts, some_policy)
def test_the_stored_form_is_judged_as_the_policy(facts: Facts, policy: Policy) -> None:
    """What is kept beside it for the release before changes nothing."""
    stored = policies.stored(policies.write(policy), policy)
    assert judge(facts, policies.read(stored, 1, plain)) == judge(facts, policy)


def test_an_empty_document_is_the_default() -> None:
    """Whatever is left out keeps its default, also within a label."""
    assert policies.write(policies.read({}, 0, plain)) == policies.write(Policy())
    half = policies.read({"rules": [{"rule": "scores", "thresholds": {"spam": {"publish_below": 0.2}}}]}, 3, plain)
    (scores,) = half.rules
    assert isinstance(scores, Scores)
    assert scores.thresholds["spam"] == Thresholds(0.2, DEFAULT_THRESHOLDS["spam"].reject_above)
    assert half.version == 3


def test_a_document_of_the_first_release_is_understood() -> None:
    """Single values become the rules they stood for."""
    old = {
        "max_links": 1, "repeat_hours": 2, "repeat_length": 9, "unsupported_language": "rules",
        "thresholds": {"spam": {"publish_below": 0.1, "reject_above": 0.2}},
    }  # fmt: skip
    rules = {rule.kind: rule for rule in policies.read(old, 4, plain).rules}
    assert list(rules) == [rule.kind for rule in DEFAULT_RULES]
    assert rules["links"] == Links(most=1)
    assert rules["repeats"] == Repeats(hours=2, length=9)
    assert rules["language"].status is Status.DRAFT
    assert isinstance(scores := rules["scores"], Scores)
    assert scores.thresholds["spam"] == Thresholds(0.1, 0.2)


def test_the_release_before_reads_the_stored_form_by_the_sites_own_values() -> None:
    """A worker of 0.1 that still runs finds thresholds, links, repeats and languages where it looks for them."""
    rules = [
        {"rule": "links", "most": 7}, {"rule": "repeats", "hours": 5, "length": 6},
        {"rule": "scores", "thresholds": {"spam": {"publish_below": 0.3, "reject_above": 0.4}}},
    ]  # fmt: skip
    stored = policies.stored({"rules": rules}, policies.read({"rules": rules}, 1, plain))
    assert (stored["max_links"], stored["repeat_hours"], stored["repeat_length"]) == (7, 5, 6)
    assert stored["unsupported_language"] == "rules"  # no rule of languages
    assert stored["thresholds"]["spam"] == {"publish_below": 0.3, "reject_above": 0.4}
    assert stored["rules"] == rules


def test_a_list_that_is_not_there_is_named() -> None:
    """Rather than passed over in silence."""
    document = {"rules": [{"rule": "match", "name": "n", "lists": ["bad"]}, {"rule": "scores"}]}
    with pytest.raises(UnknownList, match="bad"):
        policies.read(document, 1, plain)


def test_every_kind_has_a_name_of_its_own() -> None:
    """By which documents and decisions call it."""
    assert len(KINDS) == 10
    assert all(name == kind.kind for name, kind in KINDS.items())
