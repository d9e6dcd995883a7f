"""What a policy would have decided of comments that were decided already, against what people made of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from service.domain.facts import Facts
from service.domain.lifecycle import Action
from service.domain.policy import Policy, judge

EXAMPLES = 5  # of each kind of change
_DONE = {Action.PUBLISH: "published", Action.FLAG: "held", Action.REJECT: "rejected"}


@dataclass(frozen=True, slots=True)
class Past:
    """A decided comment. judged: the policy's outcome then. reviewed: the last word of a moderator, if there is one."""

    comment_id: UUID
    facts: Facts
    judged: Action
    reviewed: Action | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """One comment that would have been decided otherwise. rule: the one that would decide it now."""

    comment_id: UUID
    rule: str
    reviewed: Action | None


@dataclass(slots=True)
class Change:
    """All comments that went one way and would go another. published, rejected: how many of them moderators did so."""

    was: Action
    would: Action
    count: int = 0
    published: int = 0
    rejected: int = 0
    examples: list[Example] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        """For people: "212 more held that were published; moderators had published 190 of them"."""
        text = f"{self.count:,} more {_DONE[self.would]} that were {_DONE[self.was]}"
        said = [
            f"{word} {count:,}" for word, count in (("published", self.published), ("rejected", self.rejected)) if count
        ]
        return (
            f"{text}; moderators had {' and '.join(said)} of them" if said else f"{text}; moderators saw none of them"
        )


@dataclass(frozen=True, slots=True)
class Trial:
    """The outcome of a trial. total: comments judged again. same: those that would go as they went."""

    total: int
    same: int
    changes: Sequence[Change]

    @property
    def sentences(self) -> list[str]:
        """The whole trial in words."""
        if not self.changes:
            return [f"Nothing would change for the last {self.total:,} decided comments."]
        return [f"Of the last {self.total:,} decided comments {self.same:,} would go as they went.",
                *(f"{change.sentence}." for change in self.changes)]  # fmt: skip


def run(pasts: Iterable[Past], policy: Policy) -> Trial:
    """Judge each again; the largest change first."""
    changes: dict[tuple[Action, Action], Change] = {}
    total = same = 0
    for past in pasts:
        total += 1
        verdict = judge(past.facts, policy)
        if verdict.action is past.judged:
            same += 1
            continue
        change = changes.setdefault((past.judged, verdict.action), Change(past.judged, verdict.action))
        change.count += 1
        change.published += past.reviewed is Action.PUBLISH
        change.rejected += past.reviewed is Action.REJECT
        if len(change.examples) < EXAMPLES:
            change.examples.append(Example(past.comment_id, verdict.rule, past.reviewed))
    return Trial(total, same, sorted(changes.values(), key=lambda change: -change.count))
