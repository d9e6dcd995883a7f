"""Figure 2: a backlog decided by one worker process, beside one Celery message a comment."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any

import psutil
import psycopg

from service.domain import text
from service.domain.ids import new_id
from tools.bench import usual
from tools.bench.duel import Duel, Sample, fight, typical
from tools.bench.figure import Figure, busiest, rate
from tools.bench.scale import Scale
from tools.bench.stage import Site, Stage, wait_for
from tools.bench.texts import bodies

PER_SECOND = 3000.0
TIMES = 10.0
_THREADS_OF_SITE = 200


def measure(stage: Stage, scale: Scale) -> list[Figure]:
    """A backlog with near repeats, decided in as many parts as there are turns, the usual design between them."""
    site = stage.site()
    _fill(stage.superuser_url(site.owner_url), site, scale.backlog)
    ours, theirs = _Ours(stage, site), _Usual(stage, scale)
    part = scale.backlog // scale.turns // 200 * 200
    duel = fight(lambda: ours.turn(part), theirs.turn, scale.turns)
    done = ours.finish()
    speed = Duel(duel.ours, duel.theirs)
    mine, other = typical(speed.ours), typical(speed.theirs)
    whole = f"decide a backlog of {done:,}, 20 % near repeats"
    return [
        Figure(
            "2a", f"{whole}, each worker process", "the goal itself", rate(mine), "", mine.rate, PER_SECOND, unit="/s",
            spread=(min(one.rate for one in duel.ours), max(one.rate for one in duel.ours)), cpu=mine.cpu,
            bound=busiest(mine),
        ),
        Figure(
            "2b", whole, "one Celery message a comment, one text scored and one COMMIT each", rate(mine), rate(other),
            duel.ratio, TIMES, spread=(min(duel.ratios), max(duel.ratios)), cpu=mine.cpu, cpu_theirs=other.cpu,
            bound=busiest(mine),
        ),
    ]  # fmt: skip


class _Ours:
    """The judge of `workers.judging` in a process of its own."""

    def __init__(self, stage: Stage, site: Site) -> None:
        self._stage, self._site = stage, site
        self._child = stage.spawn(
            [sys.executable, "-m", "tools.bench.judge"], stage.environment(site, "worker"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._line()

    def turn(self, count: int) -> Sample:
        """Decide so many."""
        assert self._child.stdin is not None
        before, meter = self._decided(), self._stage.meter(worker=self._child.pid)
        self._child.stdin.write(f"{count}\n".encode())
        self._child.stdin.flush()
        took = json.loads(self._line())
        spent = meter.read()
        return Sample.of(self._decided() - before, took["seconds"], spent)

    def finish(self) -> int:
        """How many were decided in all, each with its decision and its event."""
        with psycopg.connect(self._site.owner_url) as connection:
            row = connection.execute(
                "SELECT (SELECT count(*) FROM comity.decision), (SELECT count(*) FROM comity.outbox), "
                "(SELECT count(*) FROM comity.comment WHERE state <> 'pending'), "
                "(SELECT count(*) FROM comity.decision WHERE reason = 'repeat')"
            ).fetchone()
        assert row is not None
        assert row[0] == row[1] == row[2], f"decisions, events and decided comments differ: {row}"
        assert row[3] > row[0] * 0.1, f"near repeats were not found: {row}"
        return int(row[0])

    def _line(self) -> bytes:
        assert self._child.stdout is not None
        return self._child.stdout.readline()

    def _decided(self) -> int:
        return _count(self._site.owner_url, "SELECT count(*) FROM comity.decision")


class _Usual:
    """A Celery worker with one process; it stands still while its messages are sent."""

    def __init__(self, stage: Stage, scale: Scale) -> None:
        self._stage, self._count, self._next = stage, scale.usual, 0
        self._database = stage.plain_database()
        with psycopg.connect(self._database) as connection:
            connection.execute(usual.TABLES)
            with connection.cursor().copy("COPY comment (id, body) FROM STDIN") as copy:
                for number, body in enumerate(bodies(scale.usual * (scale.turns + 1))):
                    copy.write_row((number, body))
        environ = {"BENCH_BROKER_URL": stage.broker_url, "BENCH_DATABASE_URL": self._database}
        words = [
            "worker",
            "--concurrency=1",
            "--loglevel=ERROR",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
        ]
        self._child = stage.spawn([sys.executable, "-m", "tools.bench.usual", *words], environ)
        usual.app.conf.broker_url = stage.broker_url
        self.turn()

    def turn(self) -> Sample:
        """Have one turn's messages worked off."""
        first, self._next = self._next, self._next + self._count
        self._signal(signal.SIGSTOP)
        for number in range(first, self._next):
            usual.app.send_task("usual.decide", [number])
        meter, began = self._stage.meter(worker=self._child.pid), time.perf_counter()
        self._signal(signal.SIGCONT)
        wait_for(lambda: self._decided() >= self._next, "the usual worker is done")
        return Sample.of(self._count, time.perf_counter() - began, meter.read())

    def _decided(self) -> int:
        return _count(self._database, "SELECT count(*) FROM decision")

    def _signal(self, number: int) -> None:
        first = psutil.Process(self._child.pid)
        for one in (first, *first.children(recursive=True)):
            os.kill(one.pid, number)


def _count(url: str, question: str) -> int:
    with psycopg.connect(url) as connection:
        row: Any = connection.execute(question).fetchone()
    return int(row[0])


def _fill(superuser_url: str, site: Site, count: int) -> None:
    """Pending comments, as if all had come within the last minutes, each with its contact."""
    threads = [new_id() for _ in range(_THREADS_OF_SITE)]
    start = datetime.now(UTC) - timedelta(minutes=10)
    made = [
        (new_id(), threads[number % len(threads)], number, body, start + timedelta(microseconds=number * 1000))
        for number, body in enumerate(bodies(count))
    ]
    with psycopg.connect(superuser_url) as connection:
        for number, thread in enumerate(threads):
            connection.execute(
                "INSERT INTO comity.thread (id, site_id, key) VALUES (%s, %s, %s)", [thread, site.id, f"page-{number}"]
            )
        columns = "id, site_id, thread_id, root_id, name, body, digest, author_prefix, due_at, created_at, updated_at"
        with connection.cursor().copy(f"COPY comity.comment ({columns}) FROM STDIN") as copy:
            for one, thread, number, body, at in made:
                copy.write_row(
                    (one, site.id, thread, one, f"Reader {number}", body, text.digest(body),
                     f"10.{number >> 8 & 255}.{number & 255}.0/24", at, at, at)
                )  # fmt: skip
        with connection.cursor().copy(f"COPY contacts.contact ({_CONTACT}) FROM STDIN") as copy:
            for row in _contacts(made, site):
                copy.write_row(row)
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


_CONTACT = "comment_id, site_id, key_id, sealed, author_index, domain_index, domain_class"


def _contacts(made: list[Any], site: Site) -> Iterator[tuple[Any, ...]]:
    for one, _, number, _, _ in made:
        author = md5(f"{number % 5000}".encode(), usedforsecurity=False).digest()
        domain = md5(f"{number % 40}d".encode(), usedforsecurity=False).digest()
        yield one, site.id, "made", b"\0" * 112, author, domain, "own"
