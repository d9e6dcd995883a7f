"""Rings: Celery messages without content that say "there is work". The one place that sends them.

A ring that is lost, doubled, late or forged changes nothing: the queue is in PostgreSQL, and a relay rings again.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from celery import Celery
from kombu.utils.url import parse_url

from service import log

TASK = "comity.score_due"
QUEUE = "comity"
INTERVAL = 0.005  # seconds between two rings of one process at least

_log = log.get(__name__)

#: What every producer and consumer shares; see RELIABILITY in docs/contributor/reliability.md for the reasons.
TRANSPORT: Mapping[str, Any] = {
    "socket_connect_timeout": 1,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "max_retries": 0,
    "visibility_timeout": 120,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
}


def producer(broker_url: str) -> Celery:
    """A Celery app that only sends: it fails within about a second where a default one would hang."""
    app = Celery("comity-ring", broker=broker_url, set_as_current=False)
    app.conf.update(
        task_ignore_result=True,
        task_publish_retry=False,
        task_serializer="json",
        accept_content=["json"],
        broker_pool_limit=1,
        broker_pool_acquire_timeout=1,
        broker_connection_timeout=1,
        broker_transport_options={**TRANSPORT, "socket_timeout": 1},
        worker_send_task_events=False,
        task_send_sent_event=False,
    )
    return app


class Bell:
    """Sends rings, one at a time, on the caller's thread; failures are counted and forgotten."""

    def __init__(self, broker_url: str) -> None:
        self._app = producer(broker_url)
        self.sent = 0
        self.failed = 0

    def ring(self) -> bool:
        """Send one ring; False when it did not arrive. Returns within about a second whatever the broker does."""
        try:
            self._app.send_task(TASK, queue=QUEUE, ignore_result=True, retry=False, expires=60)
        except Exception as error:  # whatever a broken broker raises: a ring may be lost
            self.failed += 1
            self._app.pool.force_close_all()
            _log.debug("ring_failed", error=type(error).__name__)
            return False
        self.sent += 1
        return True

    def waiting(self) -> int | None:
        """How many rings wait in the broker; None when it does not say."""
        try:
            with self._app.connection_for_write() as connection, connection.channel() as channel:
                return int(channel._size(QUEUE))  # LLEN, as the transport names it
        except Exception:  # as above
            return None


class Ringer:
    """A background thread that rings soon after `call`, at most once per INTERVAL. Callers never wait."""

    def __init__(self, bell: Bell, pause: Callable[[float], None] = time.sleep) -> None:
        self.bell = bell
        self._pause = pause
        self._wanted = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ringer", daemon=True)
        self._thread.start()

    def call(self) -> None:
        """Ask for a ring."""
        self._wanted.set()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            self.bell.ring()
            self._pause(INTERVAL)


def hostless(broker_url: str) -> str:
    """The broker's kind and place without user or password, for messages."""
    parts = parse_url(broker_url)
    return f"{parts['transport']}://{parts['hostname'] or ''}"
