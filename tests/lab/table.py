"""What the lab prints: a line for each campaign as it ends, one table at the end, and a page for the documents."""

import os
import platform
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from service.version import VERSION
from tests.lab import checker
from tests.lab.campaign import Row
from tests.lab.mutants import Caught
from tests.lab.record import Ran, Record, share

_HEAD = ("campaign", "share", "size", "asked", "found", "seconds", "verdict")
_MUTANTS = ("mutant", "campaign", "caught by", "seconds")


def line(row: Row) -> str:
    """A campaign that has just ended, with what is broken."""
    said = [f"{row.campaign.name}: {row.outcome.size}; {row.outcome.found}; {row.seconds:.0f} s: {row.verdict}"]
    said += [f"    {one}" for one in row.outcome.details]
    said += [f"    {one.invariant}: {one.detail}" for one in row.outcome.findings[:20]]
    return "\n".join(said)


def caught_line(one: Caught) -> str:
    """A mutant that was just hunted; with what its campaign said when it got away."""
    if one.by:
        return f"{one.mutant.name}: caught by {one.mutant.campaign} after {one.seconds:.0f} s: {one.by[0]}"
    return f"{one.mutant.name}: NOT CAUGHT by {one.mutant.campaign} in {one.seconds:.0f} s\n{one.said}"


def campaigns(rows: Sequence[tuple[Row, Ran]]) -> str:
    """The table of campaigns."""
    return _drawn(
        _HEAD,
        [
            (
                row.campaign.name,
                share(ran.factor),
                row.outcome.size,
                row.campaign.asked,
                row.outcome.found,
                f"{row.seconds:.0f}",
                row.verdict,
            )
            for row, ran in rows
        ],
    )


def mutants(many: Sequence[Caught]) -> str:
    """The table of mutants."""
    rows = [
        (one.mutant.name, one.mutant.campaign, "; ".join(one.by) or "NOTHING", f"{one.seconds:.0f}") for one in many
    ]
    return f"{_drawn(_MUTANTS, rows)}\n\n{sum(bool(one.by) for one in many)} of {len(many)} mutants caught."


def _drawn(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(one)} |" for one in (head, ("---",) * len(head), *rows))


def whole(record: Record) -> str:
    """The tables, for a screen."""
    rows, hunted = record.campaigns, [one for one, _ in record.mutants]
    tables = [campaigns(rows)] * bool(rows) + [mutants(hunted)] * bool(hunted)
    minutes = _seconds(record) / 60
    return "\n\n".join([*tables, f"{len(rows)} campaigns and {len(hunted)} mutants in {minutes:.1f} minutes."])


def page(command: str, record: Record) -> str:
    """The page of figures. command: what made it."""
    details = [one for row, _ in record.campaigns for one in row.outcome.details]
    parts = [
        "# Reliability: figures",
        f"Made by `{command}`\non {datetime.now(UTC):%Y-%m-%d} with version {VERSION}, {_seconds(record) / 60:.0f} minutes "
        f"of work, on {os.cpu_count()} cores ({platform.machine()}) with a load of {os.getloadavg()[2]:.1f} at the end.\n"
        "Every campaign runs PostgreSQL, Valkey, web, worker and relays as real processes; clients write down each\n"
        "answer, and after each campaign all invariants below are checked.\n"
        "[How the lab works](contributor/testing.md#the-failure-lab).",
        _runs([ran for _, ran in (*record.campaigns, *record.mutants)]),
        "## Campaigns",
        "*share* is the part of the full size at which a row ran: `make chaos` runs a tenth, `make chaos-full` all of it.",
        campaigns(record.campaigns),
    ]
    if details:
        parts += ["Slowest verdict after the end of each fault, or after a comment's arrival where that was later:"]
        parts += ["\n".join(f"* {one}" for one in details)]
    if record.mutants:
        parts += ["## Guarantees taken away", "Each was taken from a copy of the code, or from the database."]
        parts += [mutants([one for one, _ in record.mutants])]
    parts += ["## What is checked after each campaign", "\n".join(f"* {name}" for name in checker.names())]
    return "\n\n".join(parts) + "\n"


def _seconds(record: Record) -> float:
    return sum(one.seconds for one, _ in (*record.campaigns, *record.mutants))


def _runs(many: Sequence[Ran]) -> str:
    """Of which code, on which days: the rows may come from several runs."""
    codes = Counter((one.commit or "a copy without history", one.day) for one in many)
    said = [f"{count} of commit {code} on {day}" for (code, day), count in codes.items()]
    return f"Campaigns and mutants were run: {'; '.join(said)}."
