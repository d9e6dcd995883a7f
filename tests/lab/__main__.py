"""`python -m tests.lab`: runs the campaigns, prints one table, ends with 1 when anything was found."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.lab import table
from tests.lab.campaign import Campaign, Row, run
from tests.lab.campaigns import BY_NAME, CAMPAIGNS
from tests.lab.laboratory import laboratory
from tests.lab.mutants import MUTANTS, Caught, Mutant, hunt


def main(words: Sequence[str]) -> int:
    """Hurt the service as asked."""
    asked = _read(words)
    only_mutants = asked.mutants is not None and not asked.all
    began = time.monotonic()
    rows = [] if only_mutants else _run([BY_NAME[name] for name in asked.only] if asked.only else CAMPAIGNS, asked)
    hunted = (
        [] if asked.mutants is None else _hunt([one for one in MUTANTS if one.name in (asked.mutants or [one.name])])
    )
    seconds = time.monotonic() - began
    print("\n".join(["", *([table.campaigns(rows)] if rows else []), *([table.mutants(hunted)] if hunted else [])]))
    print(f"\n{len(rows)} campaigns and {len(hunted)} mutants in {seconds / 60:.1f} minutes.")
    if asked.page:
        command = f"python -m tests.lab {' '.join(words)}"
        asked.page.write_text(table.page(command, rows, hunted, seconds), encoding="utf-8")
    found = [one for row in rows for one in row.outcome.findings]
    if asked.findings:
        asked.findings.write_text(json.dumps([[one.invariant, one.detail] for one in found]), encoding="utf-8")
    return 1 if found or not all(one.by for one in hunted) else 0


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


def _run(chosen: Sequence[Campaign], asked: argparse.Namespace) -> list[Row]:
    rows = []
    with laboratory(asked.spoil) as lab:
        for campaign in chosen:
            rows.append(run(campaign, lab, asked.factor))
            print(table.line(rows[-1]), flush=True)
    return rows


def _hunt(chosen: Sequence[Mutant]) -> list[Caught]:
    hunted = []
    for mutant in chosen:
        hunted.append(hunt(mutant))
        print(table.caught_line(hunted[-1]), flush=True)
    return hunted


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
