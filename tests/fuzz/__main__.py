"""`python -m tests.fuzz --requests 10000`: runs until so many requests were answered; fails on a 5xx or a complaint."""

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import psycopg
import structlog

from service import embedded
from tests import world as worlds
from tests.fuzz.run import Outcome, fuzz
from tests.world import World


def main() -> int:
    """Fuzz; 1 when anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000, help="how many at least")
    parser.add_argument("--examples", type=int, default=200, help="per operation and run")
    parser.add_argument("--seed", type=int, default=random.randrange(2**31), help="of the first run")
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    folder = Path(tempfile.mkdtemp(prefix="comity-fuzz-"))
    folder.chmod(0o711)
    servers = embedded.start(folder / "data", progress=lambda _: None)
    try:
        worlds.migrate(servers.owner_url)
        return _run(servers, folder, asked)
    finally:
        servers.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _run(servers: embedded.Servers, folder: Path, asked: argparse.Namespace) -> int:
    total: Counter[int] = Counter()
    good = True
    for seed in range(asked.seed, asked.seed + 1000):
        outcome = _once(servers, folder, f"fuzz_{seed}", "--seed", str(seed), "-n", str(asked.examples))
        total += outcome.statuses
        good = good and outcome.passed and not outcome.failed
        print(f"seed {seed}: {outcome}", flush=True)
        if not outcome.passed:
            print(outcome.complaints, flush=True)
        if sum(total.values()) >= asked.requests:
            break
    print(f"in all {Outcome(total, good, '')}: {'every check passed' if good else 'see above'}")
    return 0 if good else 1


def _once(servers: embedded.Servers, folder: Path, name: str, *options: str) -> Outcome:
    """One run on a database of its own."""
    with psycopg.connect(servers.superuser_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE comity OWNER comity_owner")
        for role in worlds.PASSWORDS:
            connection.execute(f"GRANT CONNECT ON DATABASE {name} TO {role}")
    world = World.make(servers.owner_url.replace("/comity?", f"/{name}?"), servers.broker_url)
    try:
        return fuzz(world, folder, *options)
    finally:
        world.close()


if __name__ == "__main__":
    sys.exit(main())
