"""What the lab prints: a line for each campaign as it ends, one table at the end."""

from collections.abc import Sequence

from tests.lab.campaign import Row
from tests.lab.mutants import Caught

_HEAD = ("campaign", "size", "asked", "found", "seconds", "verdict")


def line(row: Row) -> str:
    """A campaign that has just ended, with what is broken."""
    said = [f"{row.campaign.name}: {row.outcome.size}; {row.outcome.found}; {row.seconds:.0f} s: {row.verdict}"]
    said += [f"    {one}" for one in row.outcome.details]
    said += [f"    {one.invariant}: {one.detail}" for one in row.outcome.findings[:20]]
    return "\n".join(said)


def whole(rows: Sequence[Row], seconds: float) -> str:
    """The one table, as a page has it."""
    cells = [_HEAD, ("---",) * len(_HEAD), *map(_cells, rows)]
    lines = [f"| {' | '.join(one)} |" for one in cells]
    return "\n".join(["", *lines, "", f"{len(rows)} campaigns in {seconds / 60:.1f} minutes."])


def _cells(row: Row) -> tuple[str, ...]:
    one = row.outcome
    return row.campaign.name, one.size, row.campaign.asked, one.found, f"{row.seconds:.0f}", row.verdict


def caught_line(one: Caught) -> str:
    """A mutant that was just hunted; with what its campaign said when it got away."""
    if one.by:
        return f"{one.mutant.name}: caught by {one.mutant.campaign} after {one.seconds:.0f} s: {one.by[0]}"
    return f"{one.mutant.name}: NOT CAUGHT by {one.mutant.campaign} in {one.seconds:.0f} s\n{one.said}"


def caught(many: Sequence[Caught]) -> str:
    """The table of mutants."""
    head = ("mutant", "campaign", "caught by", "seconds")
    cells = [head, ("---",) * len(head)]
    cells += [(one.mutant.name, one.mutant.campaign, "; ".join(one.by) or "NOTHING", f"{one.seconds:.0f}") for one in many]
    lines = [f"| {' | '.join(one)} |" for one in cells]
    return "\n".join(["", *lines, "", f"{sum(bool(one.by) for one in many)} of {len(many)} mutants caught."])
