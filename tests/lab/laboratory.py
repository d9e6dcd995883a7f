"""One house of real processes for all campaigns, with those who use it and what they saw."""

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from service.store import sites
from tests.faults.house import ROOT, House, wait_for
from tests.lab import checker
from tests.lab.checker import Facts, Finding
from tests.lab.clients import Crowd, Line, People
from tests.lab.journal import OK, Journal

DEADLINE = 10.0  # seconds after the end of a fault within which every comment is decided
PATIENCE = 45.0  # seconds that the lab waits before it calls a comment lost
FREE = {"COMITY_LIMIT_SITE": "10000000/60", "COMITY_LIMIT_PREFIX": "10000000/60"}  # limits that stand in nobody's way


@dataclass
class Lab:
    """What a campaign is given. spoil: SQL that takes a guarantee out of the database, for a mutant."""

    house: House
    people: People
    spoil: str = ""
    delivered: Callable[[], tuple[Sequence[tuple[str, bytes]], frozenset[str]]] = lambda: ((), frozenset())
    _number: int = 0
    _hopeful: bool = True
    _journal: Journal | None = None

    @property
    def journal(self) -> Journal:
        """The history of the campaign that runs."""
        assert self._journal is not None, "no campaign has begun"
        return self._journal

    def begin(self) -> None:
        """An empty service without processes, on servers that are well, and a new history."""
        for server in (self.house.servers.postgres, self.house.servers.valkey):
            if server.running:
                server.resume()
            else:
                server.start()
        self.house.servers.broker_command("CONFIG", "SET", "maxmemory", "64mb")
        self.house.reset()
        self._number += 1
        self._hopeful = True
        if self._journal is not None:
            self._journal.close()
        self._journal = Journal(self.house.folder / f"history-{self._number}.jsonl")
        self.people.urls[:] = [self.house.url]
        self.delivered = lambda: ((), frozenset())

    def start(self, *names: str, **environ: str) -> None:
        """Start processes, each of the kind its name begins with."""
        for name in names:
            self.house.start(name, name.partition("_")[0], **{**FREE, **environ})

    def stand_in(self, name: str, **environ: str) -> None:
        """Start a process that judges whatever is due, as a relay does when it hears no worker."""
        self.house.start(name, "relay", command=[sys.executable, "-m", "workers.standin", str(os.getpid())], **environ)

    def worker_ready(self, children: int = 2) -> None:
        """Wait until a worker that was just started, the first of this campaign, can judge."""
        wait_for(lambda: self.house.logged("child_ready") >= children, 60, "the worker is ready")

    def crowd(self, **given: Any) -> Crowd:
        """Clients that write into this campaign's history."""
        return Crowd(self.people, self.journal, **given)

    def line(self) -> Line:
        """A connection of its own."""
        return Line(self.people.urls)

    def loaded(self, crowd: Crowd, count: int, seconds: float = 60.0) -> None:
        """Wait until a crowd has had so many comments accepted."""
        wait_for(lambda: self.taken() >= count or not crowd.busy, seconds, f"{count} comments are accepted")

    def submit(self, count: int, rate: float | None = None) -> None:
        """Have so many comments submitted, and wait for their answers."""
        with self.crowd(visitors=2, readers=0, moderators=0, most=count, rate=rate) as crowd:
            crowd.finish()

    def settle(self, seconds: float = PATIENCE) -> float:
        """Wait until nothing is due; the seconds it took. What is due after `seconds` the checker finds."""
        began = time.monotonic()
        try:
            wait_for(self.quiet, seconds if self._hopeful else 1.0, "nothing is due")
        except AssertionError:
            self._hopeful = False  # waited once for what never comes: that is enough for one campaign
        return time.monotonic() - began

    def quiet(self) -> bool:
        """Whether no comment waits for a verdict. A worker that went deaf and ended is started again, as always."""
        if "worker" in self.house.processes:
            self.house.revive("worker")
        return not self.house.rows("SELECT FROM comity.comment WHERE due_at IS NOT NULL LIMIT 1")

    def slowest(self, since: float) -> float:
        """Seconds from a moment, or a comment's arrival if that was later, to the last first verdict on any."""
        found = self.house.rows(
            "SELECT max(extract(epoch FROM d.at) - greatest(extract(epoch FROM c.created_at), %s))::float8 "
            "FROM comity.comment c JOIN comity.decision d ON d.comment_id = c.id AND d.seq = 1 "
            "WHERE d.at >= to_timestamp(%s)",
            since,
            since,
        )
        return max(0.0, found[0][0] or 0.0)

    def check(self) -> list[Finding]:
        """What the history checker finds, once everything is quiet."""
        data = self.house.folder / "data/log"
        logs = [self.house.log, *data.glob("*.log")]
        delivered, told = self.delivered()
        facts = Facts.gather(
            self.journal.entries(), self.house.rows, logs, self._broker(), delivered=delivered, told=told
        )
        return checker.check(facts)

    def _broker(self) -> bytes:
        """All that the broker wrote down."""
        folder = self.house.folder / "data/valkey"
        return b"".join(one.read_bytes() for one in folder.rglob("*") if one.is_file())

    def taken(self) -> int:
        """How many different comments were accepted."""
        return len(self.journal.accepted)

    def reviews(self) -> int:
        """How many decisions of moderators were answered."""
        return self.journal.count("review", OK)


@contextlib.contextmanager
def laboratory(spoil: str = "", data: Path | None = None) -> Iterator[Lab]:
    """A lab with servers, two sites and moderators; closed at the end."""
    house = House(data)
    try:
        with psycopg.connect(house.servers.owner_url, row_factory=psycopg.rows.namedtuple_row) as connection:
            site = sites.site_named(connection, "blog")
            other = sites.add_site(connection, "other", "Another", [], {})
            moderators = [
                sites.add_moderator(connection, f"moderator {n}", {site.id: "moderator"}, None)[1] for n in range(8)
            ]
            _, admin = sites.add_admin(connection, "admin", None)
            _, stranger = sites.add_moderator(connection, "stranger", {other.id: "lead"}, None)
        if spoil:
            house.execute(spoil)
        yield Lab(house, People([house.url], house.key, moderators, stranger, admin), spoil)
    finally:
        house.close()


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder that the servers' user may pass, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="comity-lab-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


REPOSITORY = ROOT
