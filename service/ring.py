"""Rings: Celery messages without content that say "there is work". The one place that sends them.

A ring that is lost, doubled, late or forged changes nothing: the queue is in PostgreSQL, and a relay rings again.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from celery import Celery
from kombu import Connection

from service import log

TASK = "comity.score_due"
QUEUE = "comity"
INTERVAL = 0.005  # seconds between two rings of one process at least
MOST_INTERVAL = 0.04  # where one comes after the other: a worker at work looks for more by itself
MOST_WAITING = 20  # rings in the broker: whoever hears them looks for work so often, and one more would change nothing

_log = log.get(__name__)
Answer = TypeVar("Answer")

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
        broker_pool_limit=None,
        broker_connection_timeout=1,
        broker_transport_options={**TRANSPORT, "socket_timeout": 1},
        worker_send_task_events=False,
        task_send_sent_event=False,
    )
    return app


class Bell:
    """Sends rings over one connection of its own; failures are counted and forgotten. For one thread."""

    def __init__(self, broker_url: str) -> None:
        self._app = producer(broker_url)
        self._connection: Connection | None = None
        self.sent = 0
        self.failed = 0

    def ring(self) -> bool:
        """Send one ring, unless MOST_WAITING wait to be heard; False when the broker did not answer.

        Returns within about a second whatever it does.
        """
        return self._ask(self._send) is not None

    def waiting(self) -> int | None:
        """How many rings wait in the broker; None when it does not say."""
        return self._ask(_waiting)

    def _send(self, connection: Connection) -> bool:
        """Rings have no time at which they expire: a worker whose clock is ahead would throw all of them away."""
        if _waiting(connection) < MOST_WAITING:
            producing = self._app.amqp.Producer(connection)
            self._app.send_task(TASK, queue=QUEUE, producer=producing, ignore_result=True, retry=False)
            self.sent += 1
        return True

    def _ask(self, question: Callable[[Connection], Answer]) -> Answer | None:
        """The broker's answer; None, and a new connection next time, when it fails in whatever way."""
        try:
            if self._connection is None:
                self._connection = self._app.connection_for_write()
            return question(self._connection)
        except Exception as error:
            self.failed += 1
            _log.debug("broker_failed", error=type(error).__name__)
            self._hang_up()
            return None

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        try:
            if connection is not None:
                connection.collect(socket_timeout=0.1)
        except Exception as error:
            _log.debug("hang_up_failed", error=type(error).__name__)


def _waiting(connection: Connection) -> int:
    return int(connection.default_channel._size(QUEUE))  # LLEN


class Ringer:
    """A background thread that rings soon after `call`, at most once per INTERVAL. Callers never wait.

    When somebody called during each pause, the pauses grow to MOST_INTERVAL: rings cost more than they tell by then.
    """

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
        pause = INTERVAL
        while True:
            self._wanted.wait()
            self._wanted.clear()
            self.bell.ring()
            self._pause(pause)
            pause = min(pause * 2, MOST_INTERVAL) if self._wanted.is_set() else INTERVAL
