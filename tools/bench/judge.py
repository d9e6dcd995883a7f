"""One worker process without Celery around it: judges batch by batch when told to. Run by `deciding`."""

import json
import os
import sys
import time
from collections.abc import Sequence
from uuid import UUID

from service import log
from service.settings import Settings
from service.store.claims import Claimed
from service.store.database import Connection, Database
from workers import scorer
from workers.judging import Judge


class _Portion(Judge):
    """A judge that stops claiming once a portion of comments is claimed."""

    left = 0

    def work(self, count: int) -> None:
        """Judge so many comments, to a batch."""
        self.left = count
        while self.left > 0:
            self.pass_once()

    def _fresh(self, connection: Connection, lease: UUID) -> Sequence[Claimed]:
        if self.left <= 0:
            return []
        self.left -= self.batch
        return super()._fresh(connection, lease)


def main() -> None:
    """Read how many comments to judge, a line each; answer with seconds and CPU milliseconds."""
    settings = Settings.read(os.environ, "worker")
    log.configure("bench", "warning")
    judge = _Portion(Database(settings.database_url, "worker", 3), scorer.load_or_none(None), settings.batch)
    print("ready", flush=True)
    for line in sys.stdin:
        began, spent = time.perf_counter(), time.process_time()
        judge.work(int(line))
        took = {"seconds": time.perf_counter() - began, "cpu": (time.process_time() - spent) * 1000}
        print(json.dumps(took), flush=True)
    judge.database.close()


if __name__ == "__main__":
    main()
