"""A site's policy and its verdict: rules in order, the first that fires wins and says what it saw."""

from dataclasses import dataclass, field, replace

from service.domain.facts import Facts
from service.domain.lifecycle import Action
from service.domain.reasons import Reason
from service.domain.rules import (
    Audit,
    Bans,
    ClosedThread,
    DisposableEmail,
    FirstComment,
    Language,
    Links,
    Repeats,
    Rule,
    Scores,
    Status,
    Verdict,
)

#: In this order unless a site chooses another. What a site has to ask for stands as a draft.
DEFAULT_RULES: tuple[Rule, ...] = (
    ClosedThread(),
    Bans(),
    Links(),
    Repeats(),
    DisposableEmail(),
    Language(),
    Scores(),
    FirstComment(status=Status.DRAFT),
    Audit(status=Status.DRAFT),
)


@dataclass(frozen=True, slots=True)
class Policy:
    """What one site lets pass: its rules in order. `version` 0 is the built-in default."""

    rules: tuple[Rule, ...] = DEFAULT_RULES
    version: int = 0
    #: Those that are live or in shadow, in order: found once, and asked of every comment.
    asked: tuple[Rule, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        asked = tuple(rule for rule in self.rules if rule.status is not Status.DRAFT)
        object.__setattr__(self, "asked", asked)

    @property
    def repeats(self) -> Repeats | None:
        """The rule that wants to know of repeats, if one is asked."""
        for rule in self.asked:
            if isinstance(rule, Repeats):
                return rule
        return None

    def asks(self, kind: type[Rule]) -> bool:
        """Whether a rule of this kind is asked, live or in shadow."""
        return kind in map(type, self.asked)


def judge(facts: Facts, policy: Policy) -> Verdict:
    """The verdict on `facts`: of the guards first, then of the first live rule that has one, else publish.

    Rules in shadow are asked too, as far as they stand before the verdict; what they would have said goes with it.
    Trouble ends with a human: nothing is published without scores, or in doubt when a second look failed, whatever the
    rules are.
    """
    shadow: list[Verdict] = []
    verdict = _guard(facts) or _first(facts, policy, shadow) or _otherwise(facts)
    return replace(verdict, shadow=tuple(shadow)) if shadow else verdict


def _guard(facts: Facts) -> Verdict | None:
    """What no policy can change: a comment tried too often, or one a person holds, stays with people."""
    if facts.exhausted:
        return Verdict(Action.FLAG, "tried_too_often", Reason.NO_SCORE, {})
    if facts.held:
        return Verdict(Action.FLAG, "held", Reason.HELD, {})
    return None


def _first(facts: Facts, policy: Policy, shadow: list[Verdict]) -> Verdict | None:
    for rule in policy.asked:
        verdict = rule.see(facts)
        if verdict is None:
            continue
        if rule.status is Status.LIVE:
            return verdict
        shadow.append(verdict)
    return None


def _otherwise(facts: Facts) -> Verdict:
    if not facts.scored:
        return Verdict(Action.FLAG, "no_score", Reason.NO_SCORE, {})
    if facts.unsure:
        return Verdict(Action.FLAG, "no_second_look", Reason.NO_SCORE, {})
    return Verdict(Action.PUBLISH, "otherwise", None, {})
