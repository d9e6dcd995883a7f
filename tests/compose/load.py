"""A website that goes on sending comments whatever happens, and tries each again with its key until it is taken."""

import http.client
import itertools
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from tests.world import canary
from tools.client import Client

RATE = 20  # comments a second
PATIENCE = 90.0  # seconds after which a comment that nobody took is a failure
_numbers = itertools.count(1)


class Load:
    """Sends at a steady rate from its start to its end.

    `taken`: the comment's id by key. `trouble`: what came in place of a 202, and how often. `began`: by the
    database's clock.
    """

    def __init__(self, client: Client, key: str, began: str) -> None:
        self.began = began
        self.taken: dict[str, str] = {}
        self.trouble: Counter[str] = Counter()
        self.longest = 0.0
        self._client, self._key = client, key
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def longest_since(self) -> float:
        """The longest that a comment took to be taken since this was last asked, in seconds."""
        with self._lock:
            longest, self.longest = self.longest, 0.0
        return longest

    def _run(self) -> None:
        began, sent = time.monotonic(), 0
        with ThreadPoolExecutor(64) as pool:
            while not self._done.wait(max(0.0, began + sent / RATE - time.monotonic())):
                pool.submit(self._send)
                sent += 1

    def _send(self) -> None:
        """One comment, until it is taken. What goes wrong for good is kept in `trouble`."""
        key, began = str(uuid4()), time.monotonic()
        body = {
            "thread": {"key": f"page-{next(_numbers) % 20}"},
            "name": "Ann",
            "email": canary(),
            "body": f"Thank you for this article, I learned something new today ({next(_numbers)}).",
        }
        while time.monotonic() - began < PATIENCE:
            made = self._try(key, body)
            if made is not None:
                with self._lock:
                    self.taken[key] = made
                    self.longest = max(self.longest, time.monotonic() - began)
                return
            time.sleep(0.25)
        self.trouble["given up"] += 1

    def _try(self, key: str, body: dict[str, object]) -> str | None:
        headers = {"Idempotency-Key": f'"{key}"'}
        try:
            status, answer, _ = self._client.request("POST", "/v1/comments", self._key, body, headers)
        except (OSError, http.client.HTTPException):
            self.trouble["no answer"] += 1
            return None
        if status == 202:
            return str(answer["id"])
        self.trouble[str(status)] += 1
        return None
