"""Thresholds from what errors cost: by the probabilities alone, or by how a site's own comments came out.

With calibrated probabilities the cheapest answer needs no data (Elkan 2001): a comment is published while
p * missed < read, rejected when (1 - p) * wronged < read, and read by a person between. Where a site has enough
decided comments of a label, the thresholds that would have cost least on them are proposed instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from types import MappingProxyType

from service.domain.reasons import LABELS
from service.domain.rules import Thresholds

ENOUGH = 30
"""Harmful comments of a label, and harmless ones, from which a site's own history speaks."""

GRAVITY: Mapping[str, float] = MappingProxyType({"severe_toxicity": 3.0, "threat": 5.0, "identity_attack": 2.5})
"""How many times worse it is to publish one of these than another harmful comment; they are rare, and score low."""

DIGITS = 6
"""Of a threshold, as of a score: rare labels are calibrated to their rarity, far below a percent."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What an error costs, in any one unit. missed: a harmful comment published. wronged: a harmless one rejected.

    read: a person reads one comment. Raises ValueError for a cost that is not positive and finite.
    """

    missed: float
    wronged: float
    read: float = 1.0

    def __post_init__(self) -> None:
        if not all(cost > 0 and isfinite(cost) for cost in (self.missed, self.wronged, self.read)):
            raise ValueError("a cost must be more than 0 and finite")


PRESETS: Mapping[str, Costs] = MappingProxyType(
    {
        "cautious": Costs(missed=10, wronged=50),
        "balanced": Costs(missed=4, wronged=25),
        "open": Costs(missed=2, wronged=20),
    }
)


@dataclass(frozen=True, slots=True)
class Judged:
    """A comment of which it is known what it was. harm: the label it was rejected for; None for a harmless one."""

    scores: Mapping[str, float | None]
    harm: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What thresholds make of comments: how many of which kind go where. humans: all that a person would read."""

    harmless: int
    harmful: int
    humans: int
    wronged: int
    missed: int

    @property
    def total(self) -> int:
        """All comments."""
        return self.harmless + self.harmful


def by_costs(costs: Costs) -> dict[str, Thresholds]:
    """The cheapest thresholds if probabilities are calibrated."""
    return {label: _by_costs(_graver(costs, label)) for label in LABELS}


def propose(comments: Sequence[Judged], costs: Costs) -> dict[str, Thresholds]:
    """The thresholds that would have cost least on `comments`, by label; those `by_costs` for a label with too few."""
    return {label: _cheapest(comments, label, _graver(costs, label)) for label in LABELS}


def outcome(comments: Sequence[Judged], thresholds: Mapping[str, Thresholds]) -> Outcome:
    """What `thresholds` would have made of `comments`, all labels together."""
    harmless = harmful = humans = wronged = missed = 0
    for comment in comments:
        known = [(score, thresholds[label]) for label in LABELS if (score := comment.scores.get(label)) is not None]
        rejected = any(score >= limits.reject_above for score, limits in known)
        published = not rejected and all(score < limits.publish_below for score, limits in known)
        harmless += comment.harm is None
        harmful += comment.harm is not None
        humans += not rejected and not published
        wronged += rejected and comment.harm is None
        missed += published and comment.harm is not None
    return Outcome(harmless, harmful, humans, wronged, missed)


def _graver(costs: Costs, label: str) -> Costs:
    return Costs(costs.missed * GRAVITY.get(label, 1.0), costs.wronged, costs.read)


def _by_costs(costs: Costs) -> Thresholds:
    publish = min(1.0, costs.read / costs.missed)
    reject = max(0.0, 1 - costs.read / costs.wronged)
    if publish <= reject:
        return Thresholds(round(publish, DIGITS), round(reject, DIGITS))
    # reading costs more than either error is worth; at 0 everybody would be rejected
    between = max(10**-DIGITS, round(costs.wronged / (costs.wronged + costs.missed), DIGITS))
    return Thresholds(between, between)


def _cheapest(comments: Sequence[Judged], label: str, costs: Costs) -> Thresholds:
    pairs = sorted(
        (score, comment.harm == label)
        for comment in comments
        if comment.harm in (None, label) and (score := comment.scores.get(label)) is not None
    )
    harmful = sum(harm for _, harm in pairs)
    if min(harmful, len(pairs) - harmful) < ENOUGH:
        return _by_costs(costs)
    cuts = _cuts(pairs)
    best, place = float("inf"), (0, len(cuts) - 1)
    lowest, low = float("inf"), 0
    for high, (below, missed, wronged, _) in enumerate(cuts):
        # publishing below the cut `low` costs its missed ones, less the reading that they save
        if (spent := costs.missed * missed - costs.read * below) < lowest:
            lowest, low = spent, high
        whole = lowest + costs.read * below + costs.wronged * wronged
        if whole < best:
            best, place = whole, (low, high)
    return Thresholds(cuts[place[0]][3], cuts[place[1]][3])


def _cuts(pairs: Sequence[tuple[float, bool]]) -> list[tuple[int, int, int, float]]:
    """Each place to cut the scores at: comments below it, harmful ones among them, harmless ones above, the place.

    A place lies between two scores that differ, above the lower one: no rounding carries a comment across.
    """
    harmless = sum(not harm for _, harm in pairs)
    found, missed = [(0, 0, harmless, 0.0)], 0
    for number, (score, harm) in enumerate(pairs, start=1):
        missed += harm
        following = pairs[number][0] if number < len(pairs) else 1.0
        if following > score:
            place = round((score + following) / 2, DIGITS)
            exact = place if score < place <= following else following
            found.append((number, missed, harmless - (number - missed), exact))
    return found
