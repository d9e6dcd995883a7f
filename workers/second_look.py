"""The second look: what the first tier is unsure of, and what goes to a moderator, is read by the second tier too.

It may fail or take too long. Then the first tier's scores stand, and what they would have published in doubt goes to
a human: nothing is published because a look at it failed.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from classifier import LABELS, ModelError, Scores
from classifier.normalise import Normalised
from classifier.second import finding
from classifier.second.finding import Second
from service import failpoints, log
from service.domain.lifecycle import Action
from service.domain.rules import Verdict

SECONDS = 2.0
"""For the second looks of one batch; what is not reached by then goes without."""

_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class SecondLook:
    """Who looks again, and at what.

    tier: the second tier; None when its file was refused, so that every look fails. band: scores from the first
    number to the second are uncertain. seconds: for one batch.
    """

    tier: Second | None
    band: tuple[float, float]
    seconds: float = SECONDS

    def wants(self, scores: Scores, verdict: Verdict) -> bool:
        """Whether a comment is to be looked at again, by its scores and the first verdict."""
        if scores.language not in finding.LANGUAGES or scores.toxicity is None:
            return False
        return verdict.action is Action.FLAG or (self._uncertain(scores) and verdict.rule in _BY_SCORE)

    def look(self, first: Sequence[Scores], read: Sequence[Normalised]) -> list[Scores | None]:
        """Scores of both tiers together, given those of the first; None where there is no answer. Never raises."""
        if self.tier is None or not first:
            return [None] * len(first)
        try:
            failpoints.hit("looking_again")
            found = self.tier.score(first, read, time.monotonic() + self.seconds)
        except Exception:
            _log.warning("second_look_failed", comments=len(first), exc_info=True)
            return [None] * len(first)
        if missed := found.count(None):
            _log.warning("second_look_late", comments=len(first), missed=missed)
        return found

    def _uncertain(self, scores: Scores) -> bool:
        low, high = self.band
        return any((score := getattr(scores, label)) is not None and low <= score <= high for label in LABELS)


_BY_SCORE = ("scores", "otherwise")
"""Rules that decide by scores; what another one rejects needs no second look."""


def find(path: Path | None, band: tuple[float, float] | None) -> SecondLook | None:
    """The second look; None where there is no second tier, or no band.

    A file that is there and damaged is said in the log, and every look fails until it is mended.
    """
    if band is None:
        return None
    try:
        tier = finding.find(path)
    except ModelError as error:
        _log.error("second_tier_refused", why=str(error))
        return SecondLook(None, band)
    return None if tier is None else SecondLook(tier, band)
