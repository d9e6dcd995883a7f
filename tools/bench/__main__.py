"""`python -m tools.bench`: everything, or some of it by name."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console

from tools.bench import accepting, deciding, growing, reading, report, whole
from tools.bench.figure import Figure
from tools.bench.scale import FULL, SHORT, Scale
from tools.bench.stage import Stage

ROUNDS: Mapping[str, Callable[[Stage, Scale], Sequence[Figure]]] = {
    "accept": accepting.measure,
    "decide": deciding.measure,
    "read": reading.measure,
    "grow": growing.measure,
    "memory": whole.measure,
}


def run(names: Sequence[str], scale: Scale, say: Callable[[str], None]) -> list[Figure]:
    """The figures of some rounds, each on servers of its own."""
    found: list[Figure] = []
    for name in names:
        say(f"Measuring: {name}")
        with Stage() as stage:
            found += ROUNDS[name](stage, scale)
    return found


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(tuple(ROUNDS)))
@click.option("--size", default=FULL.grown, show_default=True, help="Comments of the large database.")
@click.option("--turns", default=FULL.turns, show_default=True, help="Turns of each pair.")
@click.option("--short", is_flag=True, help="Tiny sizes: shows that it runs, and measures nothing.")
@click.option("--page", type=click.Path(path_type=Path), help="Write the report there, as Markdown.")
def main(names: Sequence[str], size: int, turns: int, short: bool, page: Path | None) -> None:
    """Measure the service beside its baselines: NAMES, or everything."""
    console = Console()
    scale = SHORT if short else replace(FULL, grown=size, turns=turns)
    figures = run(names or tuple(ROUNDS), scale, console.print)
    console.print(report.table(figures))
    if page is not None:
        command = (
            "make bench" if not names and size == FULL.grown else " ".join(["python -m tools.bench", *sys.argv[1:]])
        )
        page.write_text(report.page(figures, command, scale.turns, accepting.CONNECTIONS), encoding="utf-8")
        console.print(f"Written: {page}")


if __name__ == "__main__":
    main()
