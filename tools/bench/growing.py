"""Figure 4: what a large database costs, beside a small one: the same requests to two services in turns."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any
from urllib.parse import urlencode

import psycopg

from service.keys import Keys
from service.web import paging
from tools.bench import load
from tools.bench.accepting import comments
from tools.bench.figure import Figure
from tools.bench.growth import Grown, grow
from tools.bench.reading import listing
from tools.bench.scale import Scale
from tools.bench.stage import Process, Site, Stage

TIMES = 1.3
_PAGE = 20


@dataclass(frozen=True, slots=True)
class House:
    """A service on a database of one size. place: a comment deep in its queue."""

    site: Site
    process: Process
    grown: Grown
    place: str


def measure(stage: Stage, scale: Scale) -> list[Figure]:
    """Time of single requests, one after the other, small and large in turns."""
    small, large = (_house(stage, size) for size in (scale.small, scale.grown))
    sizes = f"{small.grown.comments:,} to {large.grown.comments:,} comments"
    found = []
    for number, (what, requests, status) in enumerate(_KINDS, 1):
        ratios, ours, theirs = _grown(small, large, requests, status, scale)
        found.append(
            Figure(
                f"4{'abcdefgh'[number - 1]}", f"{what}, from {sizes}", f"itself at {small.grown.comments:,}",
                f"{median(ours) * 1000:.2f} ms", f"{median(theirs) * 1000:.2f} ms", median(ratios), TIMES, most=True,
                spread=(min(ratios), max(ratios)), bound=f"{large.grown.bytes / 1e9:.1f} GB of data",
            )
        )  # fmt: skip
    return found


def _grown(
    small: House, large: House, requests: Callable[[House], Iterator[bytes]], status: int, scale: Scale
) -> tuple[list[float], list[float], list[float]]:
    """Large by small, turn by turn; and the medians of each, in seconds."""
    mine: list[float] = []
    other: list[float] = []
    flows = {id(house): requests(house) for house in (small, large)}

    def turn(house: House) -> float:
        asked = (raw for raw, _ in zip(flows[id(house)], range(scale.asked), strict=False))
        return median(load.drive(house.process.port, asked, 1, status=status).times)

    for house in (small, large):
        turn(house)
    for number in range(scale.turns):
        for first in (number % 2 == 0, number % 2 == 1):
            (mine if first else other).append(turn(large if first else small))
    return [one / two for one, two in zip(mine, other, strict=True)], mine, other


def _house(stage: Stage, size: int) -> House:
    site = stage.site()
    grown = grow(stage.superuser_url(site.owner_url), site.id, size)
    return House(site, stage.web(site), grown, _deep(stage.keys(site), site))


def _deep(keys: Keys, site: Site) -> str:
    """A cursor four fifths down the queue."""
    with psycopg.connect(site.owner_url) as connection:
        row: Any = connection.execute(
            "SELECT created_at, id FROM comity.comment WHERE state = 'flagged' ORDER BY created_at, id "
            "OFFSET (SELECT count(*) * 4 / 5 FROM comity.comment WHERE state = 'flagged') LIMIT 1"
        ).fetchone()
    made = paging.cursor(keys, "queue oldest", (row[0], row[1]))
    assert made is not None
    return made


def _accepts(house: House) -> Iterator[bytes]:
    return comments(house.site.key, house.process.port, house.grown.threads)


def _reads(house: House) -> Iterator[bytes]:
    """Pages all over the site, none of them twice."""
    for limit in range(51, 101):
        for number in range(house.grown.threads):
            yield load.request("GET", listing(number * 7919 % house.grown.threads, limit), house.process.port)


def _queue(**query: str) -> Callable[[House], Iterator[bytes]]:
    def requests(house: House) -> Iterator[bytes]:
        given = {name: house.place if value == "deep" else value for name, value in query.items()}
        path = "/v1/queue?" + urlencode({"limit": _PAGE, **given})
        raw = load.request("GET", path, house.process.port, f"Authorization: Bearer {house.site.moderator}")
        while True:
            yield raw

    return requests


_KINDS: tuple[tuple[str, Callable[[House], Iterator[bytes]], int], ...] = (
    ("accept a comment", _accepts, 202),
    ("read a page of comments", _reads, 200),
    ("first page of the queue", _queue(), 200),
    ("page of the queue for one reason", _queue(label="toxicity"), 200),
    ("page of the queue in a band of scores", _queue(score="toxicity:0.5-0.9"), 200),
    ("page deep in the queue", _queue(cursor="deep"), 200),
)
