"""What the lab prints: a line for each campaign as it ends, one table at the end."""

from collections.abc import Sequence

from tests.lab.campaign import Row

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
