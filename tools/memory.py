"""Shows how much memory `make run` takes: the proportional set size (PSS) of every process, and the sum."""

import json
import sys
from pathlib import Path

import click
import psutil
from rich.console import Console
from rich.table import Table


def pss(pid: int) -> float:
    """Proportional set size in MB: what is shared counts by its share. Linux only. Raises OSError."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def family(pid: int) -> list[psutil.Process]:
    """A process and all below it."""
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]


@click.command()
@click.argument("pid", type=int, required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--bound", type=float, help="Fail when the sum is not under this many MB.")
def main(pid: int | None, as_json: bool, bound: float | None) -> None:
    """Sum up the memory of the supervisor PID (by default the one of this checkout) and all its processes."""
    found = [pid] if pid else [p.pid for p in psutil.process_iter() if _supervises(p)]
    if len(found) != 1:
        print(f"{len(found)} services of this checkout run: name the supervisor's process id.", file=sys.stderr)
        sys.exit(1)
    rows = sorted(((pss(p.pid), p.pid, " ".join(p.cmdline())[:70]) for p in family(found[0])), reverse=True)
    total = sum(row[0] for row in rows)
    if as_json:
        print(json.dumps({"pss_mb": round(total, 1), "processes": len(rows)}))
    else:
        table = Table("PSS MB", "pid", "process")
        for size, number, name in rows:
            table.add_row(f"{size:.1f}", str(number), name)
        table.add_row(f"{total:.1f}", "", "all together", style="bold")
        Console().print(table)
    if bound is not None and total >= bound:
        sys.exit(1)


def _supervises(process: psutil.Process) -> bool:
    try:
        return process.cmdline()[-2:] == ["-m", "service.run"] and Path(process.cwd()) == Path.cwd()
    except (psutil.Error, OSError):
        return False


if __name__ == "__main__":
    main()
