"""`python -m tests.lab`: runs the campaigns, prints one table, ends with 1 when anything was found."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.lab import table
from tests.lab.campaign import Outcome, Row, run
from tests.lab.campaigns import BY_NAME, CAMPAIGNS
from tests.lab.checker import Finding
from tests.lab.laboratory import laboratory
from tests.lab.mutants import MUTANTS, Caught, hunt


def main(words: Sequence[str]) -> int:
    """Hurt the service as asked."""
    asked = _read(words)
    report = Report(f"python -m tests.lab {' '.join(words)}", *_kept(asked.keep))
    if asked.mutants is None or asked.all:
        chosen = [BY_NAME[name] for name in asked.only] if asked.only else CAMPAIGNS
        with laboratory(asked.spoil) as lab:
            for campaign in chosen:
                row = run(campaign, lab, asked.factor)
                report.rows[campaign.name] = row
                report.tell(table.line(row), asked)
    if asked.mutants is not None:
        for mutant in MUTANTS:
            if mutant.name in (asked.mutants or [mutant.name]):
                report.hunted[mutant.name] = caught = hunt(mutant)
                report.tell(table.caught_line(caught), asked)
    print(report.whole())
    if asked.findings:
        asked.findings.write_text(
            json.dumps([[one.invariant, one.detail] for one in report.findings]), encoding="utf-8"
        )
    return 0 if report.good else 1


@dataclass
class Report:
    """What came of it so far, by campaign and by mutant. command: what was typed."""

    command: str
    rows: dict[str, Row] = field(default_factory=dict)
    hunted: dict[str, Caught] = field(default_factory=dict)

    @property
    def findings(self) -> list[Finding]:
        """All that is broken."""
        return [one for row in self.rows.values() for one in row.outcome.findings]

    @property
    def good(self) -> bool:
        """Whether nothing was found, and every mutant caught."""
        return not self.findings and all(one.by for one in self.hunted.values())

    @property
    def ordered(self) -> tuple[list[Row], list[Caught]]:
        """Rows and mutants as the lab has them."""
        return (
            [self.rows[one.name] for one in CAMPAIGNS if one.name in self.rows],
            [self.hunted[one.name] for one in MUTANTS if one.name in self.hunted],
        )

    def tell(self, line: str, asked: argparse.Namespace) -> None:
        """Print a line, and write down how far it has come: a run of hours may be stopped, and go on."""
        print(line, flush=True)
        if asked.page is not None:
            asked.page.write_text(table.page(self.command, *self.ordered), encoding="utf-8")
        if asked.keep is not None:
            rows = {name: [asdict(row.outcome), row.seconds] for name, row in self.rows.items()}
            hunted = {name: [one.by, one.seconds] for name, one in self.hunted.items()}
            asked.keep.write_text(json.dumps([rows, hunted], indent=1), encoding="utf-8")

    def whole(self) -> str:
        """The tables."""
        rows, hunted = self.ordered
        tables = [table.campaigns(rows)] * bool(rows) + [table.mutants(hunted)] * bool(hunted)
        minutes = sum(one.seconds for one in (*rows, *hunted)) / 60
        return "\n\n".join(["", *tables, f"{len(rows)} campaigns and {len(hunted)} mutants in {minutes:.1f} minutes."])


def _kept(path: Path | None) -> tuple[dict[str, Row], dict[str, Caught]]:
    """What an earlier run wrote down."""
    if path is None or not path.exists():
        return {}, {}
    rows, hunted = json.loads(path.read_text(encoding="utf-8"))
    mutants = {one.name: one for one in MUTANTS}
    return (
        {name: Row(BY_NAME[name], _outcome(outcome), seconds) for name, (outcome, seconds) in rows.items()},
        {name: Caught(mutants[name], tuple(by), seconds, "") for name, (by, seconds) in hunted.items()},
    )


def _outcome(kept: dict[str, Any]) -> Outcome:
    return Outcome(**{**kept, "findings": [Finding(**one) for one in kept["findings"]]})


def _read(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("--factor", type=float, default=1.0, help="share of the full size")
    parser.add_argument("--only", nargs="+", choices=sorted(BY_NAME), metavar="NAME", help="these campaigns alone")
    parser.add_argument("--mutants", nargs="*", choices=[one.name for one in MUTANTS], metavar="NAME",
                        help="hunt mutants instead; all of them without a name")  # fmt: skip
    parser.add_argument("--all", action="store_true", help="with --mutants: run the campaigns first")
    parser.add_argument("--page", type=Path, help="write the tables to this page")
    parser.add_argument("--keep", type=Path, help="go on from this file, and keep there what came of each; what is run "
                        "again takes the place of what was there")  # fmt: skip
    parser.add_argument("--spoil", default="", help="SQL that takes a guarantee out of the database first")
    parser.add_argument("--findings", type=Path, help="write what was found to this file, as JSON")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
