"""Figures for Prometheus, on a port of their own."""

import threading
from collections.abc import Iterable
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.store.database import Busy, Database, Unavailable
from service.store.gauges import gauges

REGISTRY = CollectorRegistry()
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})  # a label has few values
_REQUESTS = Counter("comity_requests", "Answered requests", ["method", "route", "status"], registry=REGISTRY)
_SECONDS = Histogram(
    "comity_request_seconds", "Time to answer", ["route"], registry=REGISTRY,
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)  # fmt: skip


def observe(method: str, route: str, status: int, seconds: float) -> None:
    """Count one answered request. `route` is a rule of ours, never a path."""
    _REQUESTS.labels(method if method in _METHODS else "other", route, str(status)).inc()
    _SECONDS.labels(route).observe(seconds)


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
        yield GaugeMetricFamily("comity_pending_comments", "Comments that wait for a verdict", now.pending)
        yield GaugeMetricFamily("comity_pending_oldest_seconds", "How long the oldest verdict is overdue", now.oldest)
        yield GaugeMetricFamily("comity_flagged_comments", "Comments that wait for a moderator", now.flagged)


def serve(host: str, port: int, database: Database) -> tuple[WSGIServer, threading.Thread]:
    """Answer `/metrics` on a port of its own. Raises OSError when it is in use."""
    REGISTRY.register(_Queue(database))
    return start_http_server(port, host, registry=REGISTRY)
