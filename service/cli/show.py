"""What a command shows: tables for people, JSON for programs.

Lists are one JSON object a line, single things one object. Without a terminal, or with NO_COLOR, nothing is coloured.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import click
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

PIPED_WIDTH = 200  # columns where there is no terminal: nothing is cut
NARROW = 20  # columns that a text needs at least
NOTHING = "–"
GAP = 3  # between two columns
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its heading, and the member of a row that it shows. whole: never cut or wrapped."""

    title: str
    name: str
    right: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Screen:
    """Where a command's answer goes. machine: as JSON."""

    machine: bool

    def rows(self, columns: Sequence[Column], rows: Iterable[Mapping[str, Any]], empty: str) -> None:
        """A list. Programs get every member of each row, people the columns; `empty` when there is no row."""
        found = list(rows)
        if self.machine:
            for row in found:
                self.data(row)
            return
        if not found:
            self.say(empty)
            return
        console = _console()
        if _needs(columns, found) <= console.width:
            console.print(_table(columns, found))
        else:
            for row in found:
                console.print(*_block(columns, row), sep="\n")

    def grid(self, rows: Iterable[tuple[str, Sequence[str]]]) -> None:
        """Lines of some words each, one below the other, each line with its colour; for people alone."""
        table = Table.grid(padding=(0, 2, 0, 0))
        for style, line in rows:
            table.add_row(*(cell(words) for words in line), style=style)
        if not self.machine:
            _console().print(table)

    def record(self, data: Mapping[str, Any], shown: Sequence[tuple[str, Any]]) -> None:
        """One thing. Programs get `data`, people the pairs of `shown`."""
        if self.machine:
            self.data(data)
            return
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, style="bold")
        table.add_column(overflow="fold")
        for title, value in shown:
            table.add_row(Text(title), cell(value))
        _console().print(table)

    def data(self, value: Mapping[str, Any]) -> None:
        """One JSON object on one line."""
        click.echo(json.dumps(value, default=_plain, ensure_ascii=False))

    def say(self, line: str = "", style: str = "") -> None:
        """A line for people; programs do not get it."""
        if not self.machine:
            _console().print(Text(clean(line)), style=style or None, highlight=False)

    def done(self, data: Mapping[str, Any], line: str) -> None:
        """The end of a command that changed something."""
        if self.machine:
            self.data(data)
        else:
            self.say(line)


def _asked(_context: click.Context, _parameter: click.Parameter, machine: bool) -> Screen:
    return Screen(machine)


def screen(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the option --json and hands it a Screen as `screen`."""
    text = "Answer in JSON: an object, or one a line."
    return click.option("--json", "screen", is_flag=True, callback=_asked, help=text)(command)


def aside(line: str) -> None:
    """A line about what happens, on standard error."""
    _console(err=True).print(Text(clean(line)), highlight=False)


def progress(counted: bool = True) -> Progress:
    """Bars on standard error while something long runs; gone when it is done, and silent without a terminal."""
    columns = [SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn()]
    more = [MofNCompleteColumn(), TimeElapsedColumn()] if counted else [TimeElapsedColumn()]
    return Progress(*columns, *more, console=_console(err=True), transient=True, disable=not sys.stderr.isatty())


def waiting(line: str) -> AbstractContextManager[Any]:
    """A sign of life for something whose end is unknown; silent without a terminal."""
    bar = progress(counted=False)
    bar.add_task(line, total=None)
    return bar


def _needs(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> int:
    """Columns of a terminal that a table needs to be easy on the eyes."""
    widths = [max(len(column.title), *(cell(row[column.name]).cell_len for row in rows)) for column in columns]
    wanted = [width if column.whole else min(width, NARROW) for column, width in zip(columns, widths, strict=True)]
    return sum(wanted) + GAP * (len(columns) - 1)


def _table(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(
            column.title, justify="right" if column.right else "left", no_wrap=column.whole, overflow="fold"
        )
    for row in rows:
        table.add_row(*(cell(row[column.name]) for column in columns))
    return table


def _block(columns: Sequence[Column], row: Mapping[str, Any]) -> Iterator[Text | Padding]:
    """A row where a table has no room: its first column on a line, the others below it, each with its heading."""
    first, *others = columns
    yield Text.assemble((cell(row[first.name]).plain, "bold"))
    parts: list[tuple[str, str] | str] = []
    for column in others:
        if cell(row[column.name]).plain == NOTHING:
            continue
        parts += [" · "] * bool(parts) + [(f"{column.title} ", "dim"), cell(row[column.name]).plain]
    yield Padding(Text.assemble(*parts), (0, 0, 0, 2))


def _console(err: bool = False) -> Console:
    stream = sys.stderr if err else sys.stdout
    return Console(
        file=stream, width=None if stream.isatty() else PIPED_WIDTH, markup=False, highlight=False, soft_wrap=False
    )


def cell(value: Any) -> Text:
    """A value as people read it."""
    return Text(clean(_words(value)))


def clean(text: str) -> str:
    """Without what would move a terminal's cursor or turn its text around."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def _words(value: Any) -> str:
    for kind, words in _WORDS:
        if isinstance(value, kind):
            return words(value)
    return str(value)


_WORDS: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (type(None), lambda _: NOTHING),
    (bool, lambda value: "yes" if value else "no"),
    (int, lambda value: f"{value:,}"),
    (float, lambda value: f"{value:.3f}"),
    (datetime, lambda value: value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")),
    (timedelta, lambda value: f"{value.total_seconds():,.0f} s"),
    (list | tuple, lambda value: ", ".join(_words(one) for one in value) or NOTHING),
    (dict, lambda value: ", ".join(f"{name} {_words(one)}" for name, one in value.items()) or NOTHING),
)


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return dict(value)
    return list(value)
