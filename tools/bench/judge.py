"""One worker process without Celery around it: judges batch by batch when told to. Run by `deciding`."""

import json
import os
import sys
import time

from service import log
from service.settings import Settings
from service.store.database import Database
from workers import scorer
from workers.judging import Judge


def main() -> None:
    """Read how many comments to judge, a line each; answer with seconds and CPU milliseconds."""
    settings = Settings.read(os.environ, "worker")
    log.configure("bench", "warning")
    judge = Judge(Database(settings.database_url, "worker", 3), scorer.load_or_none(None), settings.batch)
    print("ready", flush=True)
    for line in sys.stdin:
        began, spent = time.perf_counter(), time.process_time()
        for _ in range(-(-int(line) // settings.batch // 2)):  # beside a full batch another one is judged
            judge.pass_once()
        took = {"seconds": time.perf_counter() - began, "cpu": (time.process_time() - spent) * 1000}
        print(json.dumps(took), flush=True)
    judge.database.close()


if __name__ == "__main__":
    main()
