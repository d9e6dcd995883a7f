"""Figure 3: the public read of a thread of 50 comments, beside a Flask application that answers "ok"."""

import itertools
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

from tools.bench import load
from tools.bench.duel import Sample, fight
from tools.bench.figure import Figure, of_duel
from tools.bench.growth import PER_THREAD, grow
from tools.bench.scale import Scale
from tools.bench.stage import THREADS, Process, Stage

CONNECTIONS = THREADS + 2
_OK = 'Flask that answers "ok"'


def measure(stage: Stage, scale: Scale) -> list[Figure]:
    """Reads a second: hot, unchanged (304), and of listings that the process never answered before."""
    site = stage.site()
    grown = grow(stage.superuser_url(site.owner_url), site.id, scale.pages)
    ours, theirs = stage.web(site), stage.baseline("ok")
    hot = load.request("GET", listing(0), ours.port)
    etag = _etag(ours, hot)
    unchanged = load.request("GET", listing(0), ours.port, f"If-None-Match: {etag}")
    ok = load.request("GET", "/", theirs.port)
    fresh = _fresh(ours.port, grown.threads)

    def turn(process: Process, requests: Iterator[bytes], status: int = 200, seconds: float = scale.seconds) -> Sample:
        meter = stage.meter(web=process.pid)
        run = load.drive(process.port, requests, CONNECTIONS, seconds=seconds, status=status)
        return Sample.of(run.done, run.seconds, meter.read())

    def against(number: str, what: str, goal: float, mine: Callable[[], Sample]) -> Figure:
        mine()
        return of_duel(number, what, _OK, goal, fight(mine, lambda: turn(theirs, itertools.repeat(ok)), scale.turns))

    return [
        against("3a", "read 50 comments, hot", 0.5, lambda: turn(ours, itertools.repeat(hot))),
        against("3b", "read 50 comments, unchanged (304)", 0.7, lambda: turn(ours, itertools.repeat(unchanged), 304)),
        against(
            "3c", "read 50 comments, never read before", 0.15, lambda: turn(ours, fresh, seconds=scale.seconds / 3)
        ),
    ]


def listing(thread: int, limit: int = PER_THREAD) -> str:
    """The path of a thread's first page."""
    return "/v1/comments?" + urlencode({"site": "blog", "thread_key": f"page-{thread}", "limit": limit})


def _etag(process: Process, raw: bytes) -> str:
    _, head, _ = load.fetch(process.port, raw)
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    return {name.lower(): value for name, value in fields.items()}["etag"]


def _fresh(port: int, threads: int) -> Iterator[bytes]:
    """The page of each thread; then of each under the next limit, so that none was asked before."""
    for limit in range(PER_THREAD, 101):
        for thread in range(1, threads):
            yield load.request("GET", listing(thread, limit), port)
