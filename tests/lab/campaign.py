"""What a campaign is, and how one is run: it hurts the service under load, then everything must hold."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.lab.checker import Finding
from tests.lab.journal import FAIL
from tests.lab.laboratory import DEADLINE, PATIENCE, Lab


@dataclass
class Outcome:
    """What a campaign came to: its size in words, the figures found, and faults beside those of the checker."""

    size: str
    found: str
    findings: list[Finding] = field(default_factory=list)
    details: list[str] = field(default_factory=list)

    def demand(self, holds: bool, invariant: str, detail: str) -> None:
        """Note a finding unless something holds."""
        if not holds:
            self.findings.append(Finding(invariant, detail))


@dataclass(frozen=True)
class Campaign:
    """A row of the table. run: is given the lab, empty, and the share of the full size."""

    name: str
    asked: str
    run: Callable[[Lab, float], Outcome]


@dataclass
class Row:
    """A campaign that was run."""

    campaign: Campaign
    outcome: Outcome
    seconds: float

    @property
    def verdict(self) -> str:
        """ "ok", or how many findings there are."""
        return "ok" if not self.outcome.findings else f"{len(self.outcome.findings)} FOUND"


def run(campaign: Campaign, lab: Lab, factor: float) -> Row:
    """Run a campaign, wait until all is quiet, and check its history."""
    began = time.monotonic()
    lab.begin()
    try:
        outcome = campaign.run(lab, factor)
    except Exception as error:
        outcome = Outcome("", f"{type(error).__name__}: {error}")
        outcome.findings.append(Finding("the campaign comes to its end", f"{type(error).__name__}: {error}"))
    lab.settle(PATIENCE if not outcome.findings else DEADLINE)
    outcome.findings += lab.check()
    for what in ("submit", "read", "review"):
        asked = sum(count for (kind, _), count in lab.journal.counts.items() if kind == what)
        outcome.demand(not asked or lab.journal.count(what, FAIL) < asked, "clients are heard", f"no {what} of {asked}")
    return Row(campaign, outcome, time.monotonic() - began)


def sized(full: int, factor: float, least: int) -> int:
    """A number of things at a share of the full size."""
    return max(least, round(full * factor))
