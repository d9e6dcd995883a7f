"""Tables of figures, as text for a terminal and as Markdown for a card; and a reliability plot as SVG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

Cell = str | int | float | None


@dataclass(slots=True)
class Figures:
    """One table. `rows` have a cell per column; a float is shown with `digits` decimals, None as a dash."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[Cell]] = field(default_factory=list)
    note: str = ""
    digits: int = 3

    def add(self, *cells: Cell) -> None:
        """Append one row."""
        self.rows.append(cells)

    def as_text(self) -> str:
        """Columns aligned with blanks."""
        table = [[str(column) for column in self.columns], *([self._shown(cell) for cell in row] for row in self.rows)]
        widths = [max(len(line[at]) for line in table) for at in range(len(self.columns))]
        lines = [
            "  ".join(
                cell.ljust(width) if at == 0 else cell.rjust(width)
                for at, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in table
        ]
        return "\n".join([self.title, *lines, *([self.note] if self.note else []), ""])

    def as_markdown(self) -> str:
        """A Markdown table under its title in bold."""
        lines = [list(map(str, self.columns)), ["---"] * len(self.columns)]
        lines += [[self._shown(cell) for cell in row] for row in self.rows]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"**{self.title}**\n\n{table}\n" + (f"\n{self.note}\n" if self.note else "")

    def as_record(self) -> dict[str, Any]:
        """For JSON; `from_record` makes the same table of it."""
        return {
            "title": self.title,
            "columns": list(self.columns),
            "rows": [list(row) for row in self.rows],
            "note": self.note,
            "digits": self.digits,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Figures":
        """A table from its record. Raises TypeError if it is none."""
        return cls(**record)

    def _shown(self, cell: Cell) -> str:
        if cell is None:
            return "-"
        return f"{cell:.{self.digits}f}" if isinstance(cell, float) else f"{cell:,}" if isinstance(cell, int) else cell


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a reliability plot: mean probability, share of positives and weight of each bin."""

    name: str
    points: Sequence[tuple[float, float, float]]


_SIZE, _EDGE = 320, 44
_COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#7d4f9e", "#8a6d1d", "#4f6d7a", "#a83279")


def reliability_plot(title: str, curves: Sequence[Curve]) -> str:
    """A reliability diagram (DeGroot and Fienberg 1983) as an SVG document; the dashed line is perfection."""
    width, height = _SIZE + 2 * _EDGE + 150, _SIZE + 2 * _EDGE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="12" role="img" aria-label="{escape(title, quote=True)}">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="{_EDGE}" y="22" font-size="14">{escape(title)}</text>',
        f'<rect x="{_EDGE}" y="{_EDGE}" width="{_SIZE}" height="{_SIZE}" fill="none" stroke="#888"/>',
        f'<path d="M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}" stroke="#888" stroke-dasharray="4 4"/>',
    ]
    for tick in (0, 0.25, 0.5, 0.75, 1):
        parts.append(f'<text x="{_x(tick)}" y="{_y(0) + 16}" text-anchor="middle">{tick:g}</text>')
        parts.append(f'<text x="{_x(0) - 6}" y="{_y(tick) + 4}" text-anchor="end">{tick:g}</text>')
    parts.append(f'<text x="{_x(0.5)}" y="{_y(0) + 34}" text-anchor="middle">probability given</text>')
    parts.append(f'<text x="{_EDGE}" y="{_EDGE - 6}">share found true</text>')
    for number, curve in enumerate(curves):
        colour = _COLOURS[number % len(_COLOURS)]
        path = "L".join(f"{_x(given)} {_y(true)}" for given, true, _ in curve.points)
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts += [f'<circle cx="{_x(p)}" cy="{_y(t)}" r="2.5" fill="{colour}"/>' for p, t, _ in curve.points]
        at = _EDGE + 14 + 18 * number
        parts.append(f'<text x="{_EDGE + _SIZE + 14}" y="{at}" fill="{colour}">{escape(curve.name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _x(share: float) -> float:
    return round(_EDGE + share * _SIZE, 1)


def _y(share: float) -> float:
    return round(_EDGE + (1 - share) * _SIZE, 1)
