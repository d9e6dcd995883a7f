"""Figures for Prometheus, on a port of their own."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.store.database import Busy, Database, Unavailable
from service.store.gauges import Gauges, gauges

REGISTRY = CollectorRegistry()
_catch_up: list[Callable[[], None]] = []


class _First(Collector):
    """No figure: asked before all others, it has what is counted late counted now."""

    def collect(self) -> Iterable[Metric]:
        for call in _catch_up:
            call()
        return ()

    def describe(self) -> Iterable[Metric]:
        return ()


REGISTRY.register(_First())
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})  # a label has few values
_REQUESTS = Counter("comity_requests", "Answered requests", ["method", "route", "status"], registry=REGISTRY)
_SECONDS = Histogram(
    "comity_request_seconds", "Time to answer", ["route"], registry=REGISTRY,
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)  # fmt: skip
_ERRORS = Counter("comity_request_errors", "Answers 500 and 503", ["status"], registry=REGISTRY)
_FULL = Counter("comity_full", "Submissions refused because too many comments wait", ["cap"], registry=REGISTRY)
for _cap in ("site", "all"):
    _FULL.labels(_cap)
for _status in ("500", "503"):
    _ERRORS.labels(_status)  # there from the start, at 0: a figure that was not there before does not increase


def observe(method: str, route: str, status: int, seconds: float) -> None:
    """Count one answered request. `route` is a rule of ours, never a path."""
    count, times = _figures(method if method in _METHODS else "other", route, status)
    count.inc()
    times.observe(seconds)
    if status in (500, 503):
        _ERRORS.labels(str(status)).inc()


def full(cap: str) -> None:
    """Count a submission for which there was no room: of its site, or in all."""
    _FULL.labels(cap).inc()


def before(call: Callable[[], None]) -> None:
    """Have `call` made whenever somebody looks, before anything is told."""
    _catch_up.append(call)


@lru_cache(4096)
def _figures(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return _REQUESTS.labels(method, route, str(status)), _SECONDS.labels(route)


@dataclass(frozen=True, slots=True)
class Sources:
    """What a web process can say of itself when somebody looks.

    rings: how many it sent, and how many failed. waiting: rings in the broker, None when that does not answer.
    keys_match: whether its index key is the database's, None when that does not answer. pending_most: how many comments
    may wait for a verdict.
    """

    rings: Callable[[], tuple[int, int]]
    waiting: Callable[[], int | None]
    keys_match: Callable[[], bool | None]
    pending_most: int


class _Process(Collector):
    """The process itself, its key and its broker."""

    def __init__(self) -> None:
        self.sources: Sources | None = None
        self._lock = threading.Lock()  # the broker is asked over one connection

    def collect(self) -> Iterable[Metric]:
        if self.sources is None:
            return
        sent, failed = self.sources.rings()
        yield CounterMetricFamily("comity_rings_sent", "Rings that the broker took from this process", sent)
        yield CounterMetricFamily("comity_rings_failed", "Rings of this process that the broker did not take", failed)
        with self._lock:
            waiting = self.sources.waiting()
        yield GaugeMetricFamily("comity_broker_up", "Whether the broker answers", waiting is not None)
        yield GaugeMetricFamily(
            "comity_pending_most", "Comments that may wait for a verdict", self.sources.pending_most
        )
        match = self.sources.keys_match()
        if match is not None:
            yield GaugeMetricFamily("comity_keys_match", "Whether the index key is the database's", match)


class _Queue(Collector):
    """The queue as the database sees it, asked when somebody looks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterable[Metric]:
        try:
            with self._database.connection() as connection:
                now = gauges(connection)
        except (Unavailable, Busy):
            yield GaugeMetricFamily("comity_database_up", "Whether the database answers", 0)
            return
        yield GaugeMetricFamily("comity_database_up", "Whether the database answers", 1)
        yield from _families(now)


def _families(now: Gauges) -> Iterable[Metric]:
    for name, meaning, value in (
        ("pending_comments", "Comments that wait for a verdict", now.pending),
        ("pending_oldest_seconds", "How long the oldest verdict is overdue", now.oldest),
        ("flagged_comments", "Comments that wait for a moderator", now.flagged),
        ("flagged_oldest_seconds", "Since the oldest of them came in", now.flagged_oldest),
        ("unscored_comments", "Those of the last ten minutes that nothing scored", now.unscored),
        ("worker_claim_seconds", "Since a worker last claimed a comment", now.worker),
        ("relay_claim_seconds", "Since a relay's stand-in last claimed a comment", now.relay),
        ("relays_alive", "Relays that come round", now.relays),
        ("database_bytes", "Size of the database", now.size),
        ("deliveries_pending", "Messages that endpoints wait for", now.deliveries),
        ("deliveries_late_seconds", "How long the oldest of them that can be sent is overdue", now.deliveries_late),
        ("deliveries_dead", "Messages that were given up", now.deliveries_dead),
        ("endpoints_failing", "Endpoints that only failed for an hour or longer", now.endpoints_failing),
        ("endpoints_disabled", "Endpoints disabled because they are gone, or failed for days", now.endpoints_disabled),
    ):
        yield GaugeMetricFamily(f"comity_{name}", meaning, value)
    late = GaugeMetricFamily("comity_job_late_seconds", "How late a job is", labels=["name"])
    for name, seconds in now.jobs.items():
        late.add_metric([name], seconds)
    yield late


_PROCESS = _Process()
REGISTRY.register(_PROCESS)


def watch(sources: Sources) -> None:
    """Show what this process says of itself; it has one application."""
    _PROCESS.sources = sources


def serve(host: str, port: int, database: Database) -> tuple[WSGIServer, threading.Thread]:
    """Answer `/metrics` on a port of its own. Raises OSError when it is in use."""
    REGISTRY.register(_Queue(database))
    return start_http_server(port, host, registry=REGISTRY)
