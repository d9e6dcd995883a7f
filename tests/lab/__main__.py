"""`python -m tests.lab`: runs the campaigns, prints one table, ends with 1 when anything was found."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.lab import table
from tests.lab.campaign import Row, run
from tests.lab.campaigns import BY_NAME, CAMPAIGNS
from tests.lab.laboratory import laboratory
from tests.lab.mutants import MUTANTS, Mutant, hunt


def main() -> int:
    """Hurt the service as asked."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("--factor", type=float, default=1.0, help="share of the full size")
    parser.add_argument("--only", nargs="+", choices=sorted(BY_NAME), metavar="NAME", help="these campaigns alone")
    parser.add_argument("--page", type=Path, help="write the table to this page")
    parser.add_argument("--spoil", default="", help="SQL that takes a guarantee out of the database first")
    parser.add_argument("--findings", type=Path, help="write what was found to this file, as JSON")
    parser.add_argument("--mutants", nargs="*", choices=[one.name for one in MUTANTS], metavar="NAME",
                        help="hunt mutants instead of running campaigns; all of them without a name")  # fmt: skip
    asked = parser.parse_args()
    if asked.mutants is not None:
        return _hunt([one for one in MUTANTS if not asked.mutants or one.name in asked.mutants])
    chosen = [BY_NAME[name] for name in asked.only] if asked.only else list(CAMPAIGNS)
    began = time.monotonic()
    rows: list[Row] = []
    with laboratory(asked.spoil) as lab:
        for campaign in chosen:
            rows.append(run(campaign, lab, asked.factor))
            print(table.line(rows[-1]), flush=True)
    found = [one for row in rows for one in row.outcome.findings]
    print(table.whole(rows, time.monotonic() - began))
    if asked.findings:
        asked.findings.write_text(json.dumps([[one.invariant, one.detail] for one in found]), encoding="utf-8")
    return 1 if found else 0


def _hunt(chosen: Sequence[Mutant]) -> int:
    caught = []
    for mutant in chosen:
        caught.append(hunt(mutant))
        print(table.caught_line(caught[-1]), flush=True)
    print(table.caught(caught))
    return 0 if all(one.by for one in caught) else 1


if __name__ == "__main__":
    sys.exit(main())
