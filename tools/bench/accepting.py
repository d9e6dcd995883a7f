"""Figure 1: accepting a comment, beside one INSERT and COMMIT."""

import itertools
import json
from collections.abc import Iterator

import psycopg

from tools.bench import baselines, load
from tools.bench.duel import Sample, fight
from tools.bench.figure import Figure, of_duel
from tools.bench.scale import Scale
from tools.bench.stage import THREADS, Process, Stage
from tools.bench.texts import bodies

CONNECTIONS = THREADS + 2
_THREADS_OF_SITE = 20
_BODIES = list(bodies(1000, repeats=0.0))
_numbers = itertools.count(1)


def measure(stage: Stage, scale: Scale) -> list[Figure]:
    """Comments a second over kept connections, ours and the baseline's in turns."""
    site = stage.site()
    plain = stage.plain_database()
    with psycopg.connect(plain) as connection:
        connection.execute(baselines.TABLE)
    ours, theirs = stage.web(site), stage.baseline("insert", BENCH_DATABASE_URL=plain)

    def turn(process: Process, seconds: float = scale.seconds) -> Sample:
        meter = stage.meter(web=process.pid)
        run = load.drive(process.port, comments(site.key, process.port), CONNECTIONS, seconds=seconds, status=202)
        return Sample.of(run.done, run.seconds, meter.read())

    for process in (ours, theirs):
        turn(process, scale.seconds / 2)
    duel = fight(lambda: turn(ours), lambda: turn(theirs), scale.turns)
    return [of_duel("1", "accept a comment", "Flask, psycopg pool, one INSERT and COMMIT, nothing checked", 0.6, duel)]


def comments(key: str, port: int, threads: int = _THREADS_OF_SITE) -> Iterator[bytes]:
    """Requests that submit comments of different authors in so many threads, each with a key of its own."""
    while True:
        number = next(_numbers)
        body = {
            "thread": {"key": f"page-{number * 7919 % threads}"},
            "name": f"Reader {number}",
            "email": f"reader-{number}@bench.example",
            "body": f"{_BODIES[number % len(_BODIES)]} ({number})",
            "author_ip": f"10.{number >> 8 & 255}.{number & 255}.9",
        }
        yield load.request(
            "POST", "/v1/comments", port, f"Authorization: Bearer {key}", f'Idempotency-Key: "bench-{number}"',
            body=json.dumps(body).encode(),
        )  # fmt: skip
