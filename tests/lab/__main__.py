"""`python -m tests.lab`: runs the campaigns, prints one table, ends with 1 when anything was found."""

import argparse
import json
import sys
import time
from pathlib import Path

from tests.lab import table
from tests.lab.campaign import Row, run
from tests.lab.campaigns import BY_NAME, CAMPAIGNS
from tests.lab.laboratory import laboratory


def main() -> int:
    """Hurt the service as asked."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("--factor", type=float, default=1.0, help="share of the full size")
    parser.add_argument("--only", nargs="+", choices=sorted(BY_NAME), metavar="NAME", help="these campaigns alone")
    parser.add_argument("--page", type=Path, help="write the table to this page")
    parser.add_argument("--spoil", default="", help="SQL that takes a guarantee out of the database first")
    parser.add_argument("--findings", type=Path, help="write what was found to this file, as JSON")
    asked = parser.parse_args()
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


if __name__ == "__main__":
    sys.exit(main())
