"""What a policy says and probably does not mean: rules that fire for everything, for nothing, or for ordinary words."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from service.domain.facts import Text
from service.domain.matching import Normalise
from service.domain.policy import Policy
from service.domain.rules import Audit, Links, Match, Repeats, Rule, Scores, Status

#: Comments as they come every day; a rule of words that fires for one of them will fire often.
ORDINARY = (
    "Thank you for this article, it was a pleasure to read.",
    "I do not agree with the second point, but the rest is well argued.",
    "Has anybody tried this on an older phone? Mine is from 2019 and it will not start.",
    "We went there last summer with the children and they loved the boats.",
    "The link in the third paragraph is broken, could you have a look?",
    "My mother used to bake this cake every Sunday, with a little more butter.",
    "What a match! The second half was the best we have seen this year.",
    "Prices have gone up again, a loaf of bread is now four euros here.",
    "Could you say more about how the numbers in the table were measured?",
    "Great photos, especially the one with the old bridge in the morning light.",
    "I worked in a hospital for ten years, and this is exactly how it feels.",
    "The council should have asked the people who live in that street first.",
    "Does this work with the new version too, or do I have to wait?",
    "You forgot to mention the library, which is free and open on Saturdays.",
    "I bought the book after reading your review and finished it in two days.",
    "Sorry to hear about your dog. Ours was sixteen when he died.",
    "It rained all week, so we stayed at home and played cards.",
    "As a teacher I see this every day; thank you for writing it down.",
    "The train was late, the bus was full, and still it was a good trip.",
    "Please write more about gardens on a balcony, there is so little about it.",
)


@dataclass(frozen=True, slots=True)
class Warning:
    """A doubt about one rule, in a sentence that says what to look at."""

    rule: str
    text: str


def warnings(policy: Policy, normalise: Normalise) -> list[Warning]:
    """All doubts about a policy, in the order of its rules."""
    found = [Warning(rule.title, text) for rule in policy.rules for text in _doubts(rule, normalise)]
    return found + list(_hidden(policy, normalise))


def _doubts(rule: Rule, normalise: Normalise) -> Iterator[str]:
    if isinstance(rule, Match):
        yield from _match_doubts(rule, normalise)
    for kind, doubt in _DOUBTS:
        if isinstance(rule, kind) and (text := doubt(rule)):
            yield text


def _match_doubts(rule: Match, normalise: Normalise) -> Iterator[str]:
    if _finds(rule, "", normalise) or all(_finds(rule, one, normalise) for one in ORDINARY):
        yield "matches every comment"
        return
    ordinary = {found for one in ORDINARY if (found := _finds(rule, one, normalise))}
    for entry in sorted(ordinary):
        yield f"holds {entry!r}, which stands in ordinary comments"
    for pattern in rule.matcher.patterns.impossible():
        yield f"holds the pattern {pattern!r}, which matches nothing"
    if not _looks(rule):
        yield "matches nothing: its lists are empty"


def _finds(rule: Match, body: str, normalise: Normalise) -> str | None:
    scope = next((scope for scope in ("body", "name", "website") if scope in rule.matcher.scopes), "body")
    found = rule.matcher.find({scope: Text(body, normalise(body))}, ())
    return None if found is None else found.entry


def _looks(rule: Match) -> bool:
    matcher = rule.matcher
    return bool(matcher.patterns.patterns) or any(len(one) for one in (*matcher.lexicons, *matcher.domains))


def _score_doubt(rule: Scores) -> str | None:
    if any(limits.publish_below <= 0 for limits in rule.thresholds.values()):
        return "lets no comment pass: a label is published below 0"
    if all(limits.publish_below >= 1 for limits in rule.thresholds.values()):
        return "lets every comment pass, whatever the model says of it"
    return None


def _audit_doubt(rule: Audit) -> str | None:
    return {0.0: "samples nothing", 1.0: "holds every comment"}.get(rule.share)


def _repeat_doubt(rule: Repeats) -> str | None:
    return "takes texts for repeats that share little" if rule.similarity < 0.5 else None


def _link_doubt(rule: Links) -> str | None:
    return "fires for no comment that fits into a request" if rule.most >= 500 else None


_DOUBTS: tuple[tuple[type[Rule], Callable[..., str | None]], ...] = (
    (Scores, _score_doubt), (Audit, _audit_doubt), (Repeats, _repeat_doubt), (Links, _link_doubt),
)  # fmt: skip


def _hidden(policy: Policy, normalise: Normalise) -> Iterator[Warning]:
    """Live rules behind one that fires for everything."""
    before: Rule | None = None
    for rule in policy.rules:
        if rule.status is not Status.LIVE:
            continue
        if before is not None:
            yield Warning(rule.title, f"is never asked: the rule {before.title} before it fires for every comment")
        elif _fires_always(rule, normalise):
            before = rule


def _fires_always(rule: Rule, normalise: Normalise) -> bool:
    if isinstance(rule, Match):
        return _finds(rule, "", normalise) is not None
    if isinstance(rule, Audit):
        return rule.share >= 1
    return isinstance(rule, Scores) and any(limits.publish_below <= 0 for limits in rule.thresholds.values())
