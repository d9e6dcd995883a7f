"""A site's policy and its verdict: rules in order, the first that fires wins and says what it saw."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from service.domain.lifecycle import Action

LABELS = ("spam", "toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack")


class Reason(StrEnum):
    """Why a comment stands where it stands: a public word, and the training label where it is one."""

    SPAM = "spam"
    TOXICITY = "toxicity"
    SEVERE_TOXICITY = "severe_toxicity"
    OBSCENE = "obscene"
    THREAT = "threat"
    INSULT = "insult"
    IDENTITY_ATTACK = "identity_attack"
    CLOSED_THREAD = "closed_thread"
    TOO_MANY_LINKS = "too_many_links"
    REPEAT = "repeat"
    LANGUAGE = "language"
    NO_SCORE = "no_score"
    HELD = "held"
    OFF_TOPIC = "off_topic"
    OTHER = "other"


#: What a moderator may give as a reason; the first seven are also training labels.
REVIEW_REASONS = (*(Reason(label) for label in LABELS), Reason.REPEAT, Reason.OFF_TOPIC, Reason.OTHER)

PUBLIC_WORDS: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.SPAM: "It looks like advertising.",
        Reason.TOXICITY: "It may drive others out of the discussion.",
        Reason.SEVERE_TOXICITY: "It may drive others out of the discussion.",
        Reason.OBSCENE: "Its language may be too coarse.",
        Reason.THREAT: "It may read as a threat.",
        Reason.INSULT: "It may read as an insult.",
        Reason.IDENTITY_ATTACK: "It may attack people for who they are.",
        Reason.CLOSED_THREAD: "The discussion was closed meanwhile.",
        Reason.TOO_MANY_LINKS: "It holds many links.",
        Reason.REPEAT: "The same text was posted before.",
        Reason.LANGUAGE: "A person has to read its language.",
        Reason.NO_SCORE: "A person has to read it.",
        Reason.HELD: "A moderator is reading it.",
        Reason.OFF_TOPIC: "It does not belong to this discussion.",
        Reason.OTHER: "A moderator decided so.",
    }
)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Probabilities in 0..1: below `publish_below` a label lets pass, from `reject_above` rejects, between flags."""

    publish_below: float
    reject_above: float


#: Cautious: on the development rows 7 of 100 harmless comments go to a human and 17 of 100 toxic ones pass. The rare
#: labels are calibrated to their rarity, so they flag early.
DEFAULT_THRESHOLDS: Mapping[str, Thresholds] = MappingProxyType(
    {
        "spam": Thresholds(0.40, 0.96),
        "toxicity": Thresholds(0.40, 0.98),
        "severe_toxicity": Thresholds(0.10, 0.90),
        "obscene": Thresholds(0.50, 0.98),
        "threat": Thresholds(0.08, 0.90),
        "insult": Thresholds(0.45, 0.98),
        "identity_attack": Thresholds(0.15, 0.90),
    }
)


@dataclass(frozen=True, slots=True)
class Policy:
    """What one site lets pass. `version` 0 is the built-in default.

    max_links: this many links still pass.
    repeat_hours, repeat_length: the same text on the site within these hours is held, from this many characters on.
    unsupported_language: "hold" sends it to a moderator, "rules" lets the other rules decide alone.
    """

    thresholds: Mapping[str, Thresholds] = field(default_factory=lambda: DEFAULT_THRESHOLDS)
    max_links: int = 3
    repeat_hours: int = 24
    repeat_length: int = 20
    unsupported_language: str = "hold"
    version: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a verdict may look at; gathered before, so that a verdict needs nobody.

    scores: label to probability (None: the model has no opinion on that label); None where scoring failed. What is
    no probability (NaN, for one) counts as failed.
    links: links in the body. repeats: earlier comments of the site with the same text within the policy's window.
    length: characters of the body. verified: the website vouches for the author.
    held: the comment already waits for a moderator (its author edited it).
    exhausted: it was tried too often.
    """

    scores: Mapping[str, float | None] | None
    language: str = "unknown"
    links: int = 0
    repeats: int = 0
    length: int = 0
    thread_closed: bool = False
    verified: bool = False
    held: bool = False
    exhausted: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The policy's answer: what to do, the rule that fired, the reason for people, and what the rule saw."""

    action: Action
    rule: str
    reason: Reason | None
    saw: Mapping[str, Any]


def _exhausted(facts: Facts, policy: Policy) -> Verdict | None:
    if facts.exhausted:
        return Verdict(Action.FLAG, "tried_too_often", Reason.NO_SCORE, {})
    return None


def _closed_thread(facts: Facts, policy: Policy) -> Verdict | None:
    if facts.thread_closed:
        return Verdict(Action.FLAG, "closed_thread", Reason.CLOSED_THREAD, {})
    return None


def _no_score(facts: Facts, policy: Policy) -> Verdict | None:
    if facts.scores is None or not all(0 <= score <= 1 for score in facts.scores.values() if score is not None):
        return Verdict(Action.FLAG, "no_score", Reason.NO_SCORE, {})
    return None


def _held(facts: Facts, policy: Policy) -> Verdict | None:
    if facts.held:
        return Verdict(Action.FLAG, "held", Reason.HELD, {})
    return None


def _score_rejects(facts: Facts, policy: Policy) -> Verdict | None:
    over = {label: score for label, score in _scores(facts, policy) if score >= policy.thresholds[label].reject_above}
    return _by_score(Action.REJECT, "score_rejects", over, policy)


def _too_many_links(facts: Facts, policy: Policy) -> Verdict | None:
    if facts.verified or facts.links <= policy.max_links:
        return None
    return Verdict(
        Action.FLAG, "too_many_links", Reason.TOO_MANY_LINKS, {"links": facts.links, "allowed": policy.max_links}
    )


def _repeat(facts: Facts, policy: Policy) -> Verdict | None:
    if facts.verified or not facts.repeats or facts.length < policy.repeat_length:
        return None
    return Verdict(Action.FLAG, "repeat", Reason.REPEAT, {"repeats": facts.repeats, "hours": policy.repeat_hours})


def _score_flags(facts: Facts, policy: Policy) -> Verdict | None:
    over = {label: score for label, score in _scores(facts, policy) if score >= policy.thresholds[label].publish_below}
    return _by_score(Action.FLAG, "score_flags", over, policy)


def _language(facts: Facts, policy: Policy) -> Verdict | None:
    silent = [label for label in policy.thresholds if (facts.scores or {}).get(label) is None]
    if not silent or policy.unsupported_language == "rules":
        return None
    return Verdict(Action.FLAG, "language", Reason.LANGUAGE, {"language": facts.language, "no_opinion": silent})


#: The whole policy in its order. Trouble ends with a human: `no_score` stands before anything that could publish.
RULES: tuple[Callable[[Facts, Policy], Verdict | None], ...] = (
    _exhausted,
    _closed_thread,
    _no_score,
    _held,
    _score_rejects,
    _too_many_links,
    _repeat,
    _score_flags,
    _language,
)


def judge(facts: Facts, policy: Policy) -> Verdict:
    """The verdict on `facts`: the answer of the first rule that has one, else publish."""
    for rule in RULES:
        verdict = rule(facts, policy)
        if verdict is not None:
            return verdict
    return Verdict(Action.PUBLISH, "otherwise", None, {})


def _scores(facts: Facts, policy: Policy) -> list[tuple[str, float]]:
    scores = facts.scores or {}
    return [(label, score) for label in policy.thresholds if (score := scores.get(label)) is not None]


def _by_score(action: Action, rule: str, over: Mapping[str, float], policy: Policy) -> Verdict | None:
    """The verdict of the label that lies furthest above its own threshold, on the scale of log-odds' ends (0..1)."""
    if not over:
        return None

    def excess(label: str) -> float:
        limits = policy.thresholds[label]
        floor = limits.reject_above if action is Action.REJECT else limits.publish_below
        return (over[label] - floor) / max(1.0 - floor, 1e-9)

    worst = max(over, key=excess)
    return Verdict(action, rule, Reason(worst), {"label": worst, "score": over[worst], "over": dict(over)})
