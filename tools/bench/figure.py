"""One line of the report."""

from collections.abc import Mapping
from dataclasses import dataclass

from tools.bench.duel import Duel, Sample, typical


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured against what. ratio and goal: of the same kind; `most` when the goal is not to be passed.

    spread: the lowest and highest of the turns. cpu: milliseconds each, by process. bound: what limits it.
    """

    number: str
    what: str
    baseline: str
    ours: str
    theirs: str
    value: float
    goal: float
    unit: str = ""
    most: bool = False
    spread: tuple[float, float] | None = None
    cpu: Mapping[str, float] | None = None
    cpu_theirs: Mapping[str, float] | None = None
    bound: str = ""

    @property
    def met(self) -> bool:
        """Whether the figure is reached."""
        return self.value <= self.goal if self.most else self.value >= self.goal


def rate(sample: Sample) -> str:
    """How many a second."""
    return f"{sample.rate:,.0f}/s"


def of_duel(number: str, what: str, baseline: str, goal: float, duel: Duel) -> Figure:
    """The figure of a duel: our throughput as a multiple of the baseline's."""
    ours, theirs = typical(duel.ours), typical(duel.theirs)
    return Figure(
        number, what, baseline, rate(ours), rate(theirs), duel.ratio, goal,
        spread=(min(duel.ratios), max(duel.ratios)), cpu=ours.cpu, cpu_theirs=theirs.cpu, bound=busiest(ours),
    )  # fmt: skip


def busiest(sample: Sample) -> str:
    """Which processes were busy while it was measured, in cores."""
    cores = sorted(sample.cores.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {share:.2f}" for name, share in cores) + " cores"
