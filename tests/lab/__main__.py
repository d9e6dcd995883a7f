"""`python -m tests.lab`: runs the campaigns, prints one table, ends with 1 when anything was found."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab import table
from tests.lab.campaign import Row, run
from tests.lab.campaigns import BY_NAME, CAMPAIGNS
from tests.lab.checker import Finding
from tests.lab.laboratory import laboratory
from tests.lab.mutants import MUTANTS, Caught, hunt


def main(words: Sequence[str]) -> int:
    """Hurt the service as asked."""
    asked, report = _read(words), Report(f"python -m tests.lab {' '.join(words)}")
    if asked.mutants is None or asked.all:
        chosen = [BY_NAME[name] for name in asked.only] if asked.only else CAMPAIGNS
        with laboratory(asked.spoil) as lab:
            for campaign in chosen:
                report.rows.append(run(campaign, lab, asked.factor))
                report.tell(table.line(report.rows[-1]), asked.page)
    if asked.mutants is not None:
        for mutant in MUTANTS:
            if mutant.name in (asked.mutants or [mutant.name]):
                report.hunted.append(hunt(mutant))
                report.tell(table.caught_line(report.hunted[-1]), asked.page)
    print(report.whole())
    if asked.findings:
        asked.findings.write_text(
            json.dumps([[one.invariant, one.detail] for one in report.findings]), encoding="utf-8"
        )
    return 0 if report.good else 1


@dataclass
class Report:
    """What came of it so far. command: what was typed."""

    command: str
    rows: list[Row] = field(default_factory=list)
    hunted: list[Caught] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    @property
    def findings(self) -> list[Finding]:
        """All that is broken."""
        return [one for row in self.rows for one in row.outcome.findings]

    @property
    def good(self) -> bool:
        """Whether nothing was found, and every mutant caught."""
        return not self.findings and all(one.by for one in self.hunted)

    def tell(self, line: str, page: Path | None) -> None:
        """Print a line, and write the page as far as it goes: a run of hours may be stopped."""
        print(line, flush=True)
        if page is not None:
            seconds = time.monotonic() - self._began
            page.write_text(table.page(self.command, self.rows, self.hunted, seconds), encoding="utf-8")

    def whole(self) -> str:
        """The tables."""
        minutes = (time.monotonic() - self._began) / 60
        tables = [table.campaigns(self.rows)] * bool(self.rows) + [table.mutants(self.hunted)] * bool(self.hunted)
        count = f"{len(self.rows)} campaigns and {len(self.hunted)} mutants in {minutes:.1f} minutes."
        return "\n\n".join(["", *tables, count])


def _read(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("--factor", type=float, default=1.0, help="share of the full size")
    parser.add_argument("--only", nargs="+", choices=sorted(BY_NAME), metavar="NAME", help="these campaigns alone")
    parser.add_argument("--mutants", nargs="*", choices=[one.name for one in MUTANTS], metavar="NAME",
                        help="hunt mutants instead; all of them without a name")  # fmt: skip
    parser.add_argument("--all", action="store_true", help="with --mutants: run the campaigns first")
    parser.add_argument("--page", type=Path, help="write the tables to this page")
    parser.add_argument("--spoil", default="", help="SQL that takes a guarantee out of the database first")
    parser.add_argument("--findings", type=Path, help="write what was found to this file, as JSON")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
