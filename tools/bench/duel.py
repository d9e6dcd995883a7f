"""Two things measured in turns, so that whatever else the machine does falls on both."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Sample:
    """One turn. rate: how many a second. cpu: milliseconds for each one, by process. cores: by process, of one core."""

    rate: float
    cpu: Mapping[str, float]

    @classmethod
    def of(cls, done: int, seconds: float, spent: Mapping[str, float]) -> "Sample":
        """From what was done in so many seconds, and the CPU milliseconds it took."""
        return cls(done / seconds, {name: value / max(done, 1) for name, value in spent.items()})

    @property
    def cores(self) -> dict[str, float]:
        """How many cores each process kept busy."""
        return {name: value * self.rate / 1000 for name, value in self.cpu.items()}


@dataclass(frozen=True, slots=True)
class Duel:
    """All turns of two contenders."""

    ours: Sequence[Sample]
    theirs: Sequence[Sample]

    @property
    def ratio(self) -> float:
        """The median of our rate by theirs, turn by turn."""
        return median(self.ratios)

    @property
    def ratios(self) -> list[float]:
        """Our rate by theirs, turn by turn."""
        return [one.rate / other.rate for one, other in zip(self.ours, self.theirs, strict=True)]


def fight(ours: Callable[[], Sample], theirs: Callable[[], Sample], turns: int) -> Duel:
    """Measure both `turns` times, whoever was second being first in the next turn. A short turn before warms both."""
    mine: list[Sample] = []
    other: list[Sample] = []
    for turn in range(turns):
        for first in (turn % 2 == 0, turn % 2 == 1):
            (mine if first else other).append(ours() if first else theirs())
    return Duel(mine, other)


def typical(samples: Sequence[Sample]) -> Sample:
    """Medians over turns."""
    names = samples[0].cpu
    return Sample(
        median(one.rate for one in samples), {name: median(one.cpu[name] for one in samples) for name in names}
    )
