"""What came of campaigns and mutants, kept in a file: a run of hours may be stopped, and goes on where it was."""

import json
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.lab.campaign import Outcome, Row
from tests.lab.campaigns import BY_NAME, CAMPAIGNS
from tests.lab.checker import Finding
from tests.lab.laboratory import REPOSITORY
from tests.lab.mutants import MUTANTS, Caught

_CODE = ("service", "workers", "classifier", "tests", "tools", "requirements.txt")


@dataclass(frozen=True)
class Ran:
    """When something was run: with the code of which commit, at which share of the full size (a mutant: of none), on which day."""

    commit: str
    factor: float | None
    day: str

    @classmethod
    def now(cls, factor: float | None) -> "Ran":
        """What is run at this moment."""
        return cls(commit(), factor, f"{datetime.now(UTC):%Y-%m-%d}")

    def why_again(self, now: "Ran") -> str:
        """Why something that was run then is to be run again; "" when it is not."""
        if self.factor != now.factor:
            return f"it ran at {share(self.factor)} of the full size, this is {share(now.factor)}"
        if self.commit != now.commit:
            return f"it ran at {self.commit}, this is {now.commit}"
        return "the code has changes that are not committed" if self.commit.endswith(CHANGED) else ""


CHANGED = " with changes"


def commit(repository: Path = REPOSITORY) -> str:
    """The newest commit that changed the code that runs, and whether more is changed; "" where there is no history."""
    try:
        newest = _git(repository, "log", "-1", "--abbrev=10", "--format=%h", "--", *_CODE).strip()
        return newest + (CHANGED if _git(repository, "status", "--porcelain", "--", *_CODE).strip() else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(repository: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=repository, capture_output=True, text=True, check=True).stdout


def share(factor: float | None) -> str:
    """A share of the full size in words."""
    return "no size" if factor is None else f"{factor * 100:g} %"


@dataclass
class Record:
    """By name, what came of campaigns and mutants, and when each was run. path: where it is kept, if it is."""

    path: Path | None = None
    rows: dict[str, Row] = field(default_factory=dict)
    hunted: dict[str, Caught] = field(default_factory=dict)
    ran: dict[str, Ran] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path | None) -> "Record":
        """What an earlier run wrote down. Raises ValueError for a file that is none of ours."""
        made = cls(path)
        if path is None or not path.exists():
            return made
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            for name, one in kept["campaigns"].items():
                made.rows[name] = Row(BY_NAME[name], _outcome(one["outcome"]), one["seconds"])
                made.ran[name] = Ran(**one["ran"])
            for mutant in MUTANTS:
                if one := kept["mutants"].get(mutant.name):
                    made.hunted[mutant.name] = Caught(mutant, tuple(one["by"]), one["seconds"], one["said"])
                    made.ran[mutant.name] = Ran(**one["ran"])
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError(
                f"{path} was not written by this lab ({error!r}): move it away, or name another."
            ) from None
        return made

    def why(self, name: str, now: Ran) -> str:
        """Why a campaign or a mutant is to be run; "" when what is kept of it stands."""
        return self.ran[name].why_again(now) if name in self.ran else "it was not run yet"

    def add(self, done: Row | Caught, now: Ran) -> None:
        """Take something in, in place of what was there, and write it down."""
        if isinstance(done, Row):
            self.rows[done.campaign.name] = done
            self.ran[done.campaign.name] = now
        else:
            self.hunted[done.mutant.name] = done
            self.ran[done.mutant.name] = now
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            new = self.path.with_name(self.path.name + ".new")  # one that is stopped while it writes loses nothing
            new.write_text(json.dumps(self._kept(), indent=1), encoding="utf-8")
            new.replace(self.path)

    def _kept(self) -> dict[str, Any]:
        campaigns = {
            name: {"ran": asdict(self.ran[name]), "outcome": asdict(row.outcome), "seconds": row.seconds}
            for name, row in self.rows.items()
        }
        mutants = {
            name: {"ran": asdict(self.ran[name]), "by": one.by, "seconds": one.seconds, "said": one.said}
            for name, one in self.hunted.items()
        }
        return {"campaigns": campaigns, "mutants": mutants}

    @property
    def findings(self) -> list[Finding]:
        """All that is broken."""
        return [one for row in self.rows.values() for one in row.outcome.findings]

    @property
    def good(self) -> bool:
        """Whether nothing was found, and every mutant caught."""
        return not self.findings and all(one.by for one in self.hunted.values())

    @property
    def campaigns(self) -> list[tuple[Row, Ran]]:
        """Campaigns as the lab has them."""
        return [(self.rows[one.name], self.ran[one.name]) for one in CAMPAIGNS if one.name in self.rows]

    @property
    def mutants(self) -> list[tuple[Caught, Ran]]:
        """Mutants as the lab has them."""
        return [(self.hunted[one.name], self.ran[one.name]) for one in MUTANTS if one.name in self.hunted]


def _outcome(kept: dict[str, Any]) -> Outcome:
    return Outcome(**{**kept, "findings": [Finding(**one) for one in kept["findings"]]})
