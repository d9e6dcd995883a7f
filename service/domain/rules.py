"""The kinds of rules a policy is made of: each looks at a comment's facts and has an answer, or none.

A rule is plain data and one method, `see`. What it needs to know is gathered before (`service.domain.facts`); what it
saw goes into the decision's record, for the moderator who asks why.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar

from service.domain.facts import Facts
from service.domain.lifecycle import Action
from service.domain.matching import Matcher
from service.domain.reasons import LABELS, Reason


class Status(StrEnum):
    """How far a rule is in force: not at all, recorded beside the verdict without changing it, or applied."""

    DRAFT = "draft"
    SHADOW = "shadow"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome, the rule that gave it, and what it saw. shadow: what rules in shadow would have said."""

    action: Action
    rule: str
    reason: Reason | None
    saw: Mapping[str, Any]
    shadow: tuple["Verdict", ...] = ()

    def as_record(self) -> dict[str, Any]:
        """What it saw, with what rules in shadow would have said, as a decision remembers it."""
        if not self.shadow:
            return dict(self.saw)
        silent = [
            {"rule": one.rule, "action": str(one.action), "reason": one.reason and str(one.reason), "saw": one.saw}
            for one in self.shadow
        ]
        return {**self.saw, "shadow": silent}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Probabilities in 0..1: below `publish_below` a label lets pass, from `reject_above` rejects, between flags."""

    publish_below: float
    reject_above: float


#: Near the preset balanced (`service.domain.thresholds`); `python -m tools.presets` says what they do.
#: The rare labels are calibrated to their rarity, so they flag early.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What all rules share. name: unique in its policy. then: what follows when the rule fires."""

    kind: ClassVar[str]
    name: str = ""
    status: Status = Status.LIVE
    then: Action = Action.FLAG

    @property
    def title(self) -> str:
        """The name under which decisions remember the rule."""
        return f"{self.kind}: {self.name}" if self.name else self.kind

    def see(self, facts: Facts) -> Verdict | None:
        """The rule's answer to these facts; None when it has none."""
        raise NotImplementedError

    def _answer(self, reason: Reason, **saw: Any) -> Verdict:
        return Verdict(self.then, self.title, reason, saw)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedThread(Rule):
    """The discussion was closed after the comment came in."""

    kind: ClassVar[str] = "closed_thread"

    def see(self, facts: Facts) -> Verdict | None:
        """Fires in a closed thread."""
        return self._answer(Reason.CLOSED_THREAD) if facts.thread_closed else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bans(Rule):
    """The author, the domain of the address, or the network is banned on this site."""

    kind: ClassVar[str] = "bans"
    then: Action = Action.REJECT

    def see(self, facts: Facts) -> Verdict | None:
        """Fires for a ban that is in force; a site's own word for the author goes before no ban."""
        ban = facts.ban
        return None if ban is None else self._answer(Reason.BANNED, ban=ban.id, what=ban.what, why=ban.why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match(Rule):
    """Words, phrases, patterns or link domains that a site blocks or holds."""

    kind: ClassVar[str] = "match"
    matcher: Matcher
    reason: Reason = Reason.BLOCKED
    source: Mapping[str, Any] = field(default_factory=dict)  # as its document has it

    def see(self, facts: Facts) -> Verdict | None:
        """Fires for the first thing found."""
        found = self.matcher.find(facts.texts, facts.hosts)
        return None if found is None else self._answer(self.reason, **found.as_record())


@dataclass(frozen=True, slots=True, kw_only=True)
class Links(Rule):
    """More links than a comment needs. most: this many still pass."""

    kind: ClassVar[str] = "links"
    most: int = 3

    def see(self, facts: Facts) -> Verdict | None:
        """Fires for too many links, unless the site vouches for the author."""
        if facts.verified or facts.links <= self.most:
            return None
        return self._answer(Reason.TOO_MANY_LINKS, links=facts.links, allowed=self.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeats(Rule):
    """The same text, or nearly the same, on the site within some hours.

    length: shorter texts may repeat. similarity: share of common word pairs (Jaccard, 0..1) from which two texts are
    near repeats; 1 holds exact ones alone.
    """

    kind: ClassVar[str] = "repeats"
    hours: int = 24
    length: int = 20
    similarity: float = 0.8

    def see(self, facts: Facts) -> Verdict | None:
        """Fires for a repeat, unless the site vouches for the author."""
        if facts.verified or facts.length < self.length:
            return None
        if facts.repeats:
            return self._answer(Reason.REPEAT, repeats=facts.repeats, hours=self.hours)
        if facts.likeness >= self.similarity:
            return self._answer(Reason.REPEAT, similarity=round(facts.likeness, 3), hours=self.hours)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisposableEmail(Rule):
    """The address is of a throw-away provider."""

    kind: ClassVar[str] = "disposable_email"

    def see(self, facts: Facts) -> Verdict | None:
        """Fires for an address of a disposable domain, unless the site vouches for the author."""
        if facts.verified or facts.domain_class != "disposable":
            return None
        return self._answer(Reason.DISPOSABLE_EMAIL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Language(Rule):
    """The model has no opinion on some label, since it was not measured on the comment's language."""

    kind: ClassVar[str] = "language"

    def see(self, facts: Facts) -> Verdict | None:
        """Fires where the model looked and left a label open."""
        silent = [label for label in LABELS if facts.scores is not None and facts.scores.get(label) is None]
        return self._answer(Reason.LANGUAGE, language=facts.language, no_opinion=silent) if silent else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores(Rule):
    """The classifier's scores against the site's thresholds: rejects, flags or lets pass by label.

    Without scores it flags: no score, no publication.
    """

    kind: ClassVar[str] = "scores"
    thresholds: Mapping[str, Thresholds] = field(default_factory=lambda: DEFAULT_THRESHOLDS)

    def see(self, facts: Facts) -> Verdict | None:
        """Fires for the label that lies furthest above its threshold, rejecting ones first."""
        if not facts.scored:
            return Verdict(Action.FLAG, "no_score", Reason.NO_SCORE, {})
        return self._over(facts, Action.REJECT, lambda limits: limits.reject_above) or self._over(
            facts, Action.FLAG, lambda limits: limits.publish_below
        )

    def _over(self, facts: Facts, action: Action, floor: Callable[[Thresholds], float]) -> Verdict | None:
        scores = facts.scores or {}
        over = {
            label: score
            for label in LABELS  # so that of two equals always the same one is named
            if (score := scores.get(label)) is not None and score >= floor(self.thresholds[label])
        }
        if not over:
            return None

        def excess(label: str) -> float:
            least = floor(self.thresholds[label])
            return (over[label] - least) / max(1.0 - least, 1e-9)

        worst = max(over, key=excess)
        return Verdict(action, self.title, Reason(worst), {"label": worst, "score": over[worst], "over": dict(over)})


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstComment(Rule):
    """The author has nothing published on this site yet."""

    kind: ClassVar[str] = "first_comment"

    def see(self, facts: Facts) -> Verdict | None:
        """Fires for an author's first comments, unless the site vouches for them."""
        return self._answer(Reason.FIRST_COMMENT) if facts.first and not facts.verified else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit(Rule):
    """A share of what would be published is shown to a moderator, to see what gets through. share: 0..1."""

    kind: ClassVar[str] = "audit"
    share: float = 0.01

    def see(self, facts: Facts) -> Verdict | None:
        """Fires for the comments whose lot falls into the share; a comment's lot never changes."""
        return self._answer(Reason.AUDIT, share=self.share) if facts.lot < self.share else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable(Rule):
    """Stands for a whole policy that cannot be read: people judge until it can."""

    kind: ClassVar[str] = "unreadable_policy"

    def see(self, facts: Facts) -> Verdict | None:  # noqa: ARG002 - whatever they are
        """Fires always."""
        return self._answer(Reason.NO_SCORE)


#: Those that a document may name.
KINDS: Mapping[str, type[Rule]] = MappingProxyType(
    {
        kind.kind: kind
        for kind in (
            ClosedThread, Bans, Match, Links, Repeats, DisposableEmail, Language, Scores, FirstComment, Audit,
        )
    }
)  # fmt: skip
