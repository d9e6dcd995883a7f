"""The report: a table for the terminal, and docs/performance.md."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from rich.table import Table

from tools.bench.figure import Figure

_HEAD = """\
# Performance

Written by `{command}` on {date},
on a machine with {cores} cores and {memory} GB of memory. What can be compared was measured in turns in one run, so
ratios say more than rates: each is the median of {turns} turns, with the lowest and the highest behind it. On idle
cores the baselines, which do little, win more than ours; on busy ones only the sum of the work counts, and the figures
2b and 3c come out a third to a half higher. The load comes from one process that speaks HTTP over
{connections} kept connections; what it costs stands apart, as `client`. CPU is user and system time for each request
or comment, as the kernel counts it. Baselines lie beside the benchmark:
`tools/bench/baselines.py` and `tools/bench/usual.py`.

"""


_BOUNDS = """
## What bounds it

* **1** The CPU of the web process: Python runs on one core. Submissions that are there at the same time share a
  hand-over to a thread, a statement and a commit, so that with more connections each costs less. Of what is left, a
  third is the server, the event loop and what runs beside (shared limits, the log); an eighth each are the address
  sealed (HPKE) and the rest of reading it (JSON, schema, key, digests); then the limits, the rows as JSON and the
  answer. The database writes three rows and ten index entries where the baseline writes one of each, and the windows
  of the limits.
* **2** Half of it is the worker's CPU (the text brought into its plain form, features, language, sketch), half is
  PostgreSQL's: one half of that for near repeats (six bands and a sketch are written and looked up for each comment),
  the other for the comment's row, which is written once, the decision, the event, and all their indexes. Two batches
  run side by side, so that on two idle cores the slower half counts, and on busy ones their sum.
* **3a, 3b** The event loop and the server; the application is not asked. One query a process and quarter of a second
  confirms all threads that are read.
* **3c** One query through psycopg and fifty comments written out, each about two microseconds; then the event loop, the
  hand-over to a thread, a line of the log.
* **4** PostgreSQL has 64 MB of memory here: what is read comes from the system's cache, about four microseconds a page
  of a table. Short comments of a thread lie side by side in an index (4b), and the queue's filters, texts aside, are
  answered by theirs and counted to 1,000 (4e); the comments of the queue lie all over the table.
* **5** Interpreters and libraries of web, worker and relays; PostgreSQL's shared memory.
"""


def table(figures: Sequence[Figure]) -> Table:
    """What was measured, for the terminal."""
    made = Table("", "what", "ours", "baseline", "figure", "goal", "CPU ms each", title="Benchmark")
    for figure in figures:
        style = "" if figure.met else "yellow"
        made.add_row(
            figure.number, f"{figure.what}\n[dim]{figure.baseline}[/dim]", figure.ours, figure.theirs,
            f"{_value(figure)}{'' if figure.met else ' *'}", _goal(figure), _cpu(figure.cpu, "\n"), style=style,
        )  # fmt: skip
    return made


def page(figures: Sequence[Figure], command: str, turns: int, connections: int) -> str:
    """docs/performance.md."""
    head = _HEAD.format(
        command=command, date=datetime.now(UTC).date(), cores=os.cpu_count(), memory=_memory(), turns=turns,
        connections=connections,
    )  # fmt: skip
    return head + _figures(figures) + "\n" + _costs(figures) + _BOUNDS


def _figures(figures: Sequence[Figure]) -> str:
    rows = ["| | what | baseline | ours | baseline's | figure | goal | |", "| --- " * 8 + "|"]
    for figure in figures:
        low, high = figure.spread or (None, None)
        spread = "" if low is None or high is None else f" ({_number(low)} to {_number(high)})"
        cells = (
            figure.number, figure.what, figure.baseline, figure.ours, figure.theirs,
            f"{_value(figure)}{spread}", _goal(figure), "reached" if figure.met else "missed",
        )  # fmt: skip
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def _costs(figures: Sequence[Figure]) -> str:
    rows = [
        "| | CPU ms each, ours | CPU ms each, baseline | busy meanwhile, or what it is made of |",
        "| --- " * 4 + "|",
    ]
    rows += [
        f"| {figure.number} | {_cpu(figure.cpu)} | {_cpu(figure.cpu_theirs)} | {figure.bound} |" for figure in figures
    ]
    return "\n".join(rows) + "\n"


def _cpu(cpu: Mapping[str, float] | None, between: str = ", ") -> str:
    return between.join(f"{name} {value:.3f}" for name, value in (cpu or {}).items())


def _value(figure: Figure) -> str:
    return f"{_number(figure.value)}{figure.unit}"


def _goal(figure: Figure) -> str:
    return f"{'at most ' if figure.most else ''}{_number(figure.goal)}{figure.unit}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _memory() -> int:
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30)
