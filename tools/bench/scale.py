"""How much is measured: everything, or just enough to see that it can be."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """How often and how long is measured, on how much.

    turns: of each duel. seconds: of a turn. backlog: comments to decide. usual: comments that the baseline decides in a
    turn. grown: the size of the large database, beside `small`. asked: requests of a turn there. pages: comments of the
    database that pages are read from. stored: comments sent to `make run`.
    """

    turns: int = 9
    seconds: float = 1.5
    backlog: int = 100_000
    usual: int = 400
    small: int = 10_000
    grown: int = 1_000_000
    pages: int = 200_000
    asked: int = 150
    stored: int = 10_000


FULL = Scale()
SHORT = Scale(turns=2, seconds=0.3, backlog=1_200, usual=40, small=500, grown=2_000, pages=5_000, asked=20, stored=50)
