"""`python -m tests.lab`: runs the campaigns, prints one table, ends with 1 when anything was found."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.lab import table
from tests.lab.campaign import Row, run
from tests.lab.campaigns import BY_NAME, CAMPAIGNS
from tests.lab.laboratory import laboratory
from tests.lab.mutants import MUTANTS, Caught, hunt
from tests.lab.record import Ran, Record


def main(words: Sequence[str]) -> int:
    """Hurt the service as asked."""
    asked = _read(words)
    try:
        record = Record.read(asked.keep)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 64
    wanted = Run(f"python -m tests.lab {' '.join(words)}", asked, record)
    if asked.mutants is None or asked.all:
        wanted.campaigns()
    if asked.mutants is not None:
        wanted.mutants()
    wanted.page()
    print(f"\n{table.whole(record)}")
    if asked.findings:
        asked.findings.write_text(
            json.dumps([[one.invariant, one.detail] for one in record.findings]), encoding="utf-8"
        )
    return 0 if record.good else 1


class Run:
    """A run of the lab as it was asked for. command: what was typed."""

    def __init__(self, command: str, asked: argparse.Namespace, record: Record) -> None:
        self._command, self._asked, self._record = command, asked, record

    def campaigns(self) -> None:
        """Run those that are to be run."""
        now = Ran.now(self._asked.factor)
        chosen = self._asked.only or self._due([one.name for one in CAMPAIGNS], now)
        if not chosen:
            return
        with laboratory(self._asked.spoil) as lab:
            for name in chosen:
                row = run(BY_NAME[name], lab, self._asked.factor)
                self._tell(row, now, table.line(row))

    def mutants(self) -> None:
        """Hunt those that are to be hunted."""
        now = Ran.now(None)
        chosen = self._asked.mutants or self._due([one.name for one in MUTANTS], now)
        for mutant in MUTANTS:
            if mutant.name in chosen:
                caught = hunt(mutant)
                self._tell(caught, now, table.caught_line(caught))

    def _due(self, names: list[str], now: Ran) -> list[str]:
        """Those of which nothing is kept that stands; says why another is run again."""
        why = {name: self._record.why(name, now) for name in names}
        for name, reason in why.items():
            if name in self._record.ran:
                print(f"{name}: {f'again, for {reason}' if reason else 'kept, it ran before'}", flush=True)
        return [name for name, reason in why.items() if reason]

    def _tell(self, done: Row | Caught, now: Ran, line: str) -> None:
        print(line, flush=True)
        self._record.add(done, now)
        self.page()

    def page(self) -> None:
        """Write the page, if one is asked for: all that is known so far, also of earlier runs."""
        if self._asked.page is not None:
            self._asked.page.write_text(table.page(self._command, self._record), encoding="utf-8")


def _read(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("--factor", type=float, default=1.0, help="share of the full size")
    parser.add_argument("--only", nargs="+", choices=sorted(BY_NAME), metavar="NAME", help="these campaigns alone")
    parser.add_argument("--mutants", nargs="*", choices=[one.name for one in MUTANTS], metavar="NAME",
                        help="hunt mutants instead; all of them without a name")  # fmt: skip
    parser.add_argument("--all", action="store_true", help="with --mutants: run the campaigns first")
    parser.add_argument("--page", type=Path, help="write the tables to this page")
    parser.add_argument("--keep", type=Path, help="keep there what came of each, and go on from it: what ran with the same "
                        "code and size is not run again, unless it is named")  # fmt: skip
    parser.add_argument("--spoil", default="", help="SQL that takes a guarantee out of the database first")
    parser.add_argument("--findings", type=Path, help="write what was found to this file, as JSON")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
