"""The web process as it runs for real, on a database and a port of its own."""

import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.world import World, environment

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Served:
    """A web process that answers. log: all that it wrote."""

    port: int
    metrics_port: int
    log: Path
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def statuses(self) -> Counter[int]:
        """How many requests it answered with each status, by its own figures; questions after its health left out."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        found: Counter[int] = Counter()
        for route, status, n in re.findall(
            r'^comity_requests_total\{.*route="([^"]*)",status="(\d+)"\} ([\d.]+)', text, re.M
        ):
            if not route.endswith("z"):
                found[int(status)] += int(float(n))
        return found


@contextmanager
def serving(owner_url: str, broker_url: str, log: Path, **environ: str) -> Iterator[Served]:
    """`python -m service.server` until the block ends."""
    port, metrics_port = _free_ports(2)
    settings = environment(
        owner_url,
        broker_url,
        COMITY_PORT=str(port),
        COMITY_METRICS_PORT=str(metrics_port),
        COMITY_PUBLIC_URL=f"http://127.0.0.1:{port}",
        **environ,
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("COMITY_")}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "service.server"], cwd=ROOT, env={**clean, **settings}, stdout=out, stderr=out
        )
        served = Served(port, metrics_port, log, process)
        try:
            _wait(served)
            yield served
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def judging(world: World) -> Iterator[None]:
    """Comments are judged as they come in, as by a worker."""
    stop = threading.Event()

    def judge() -> None:
        while not stop.wait(0.05):
            while world.judge.pass_once():
                pass

    thread = threading.Thread(target=judge)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _wait(served: Served) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"{served.url}/readyz", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            if served.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the web process did not answer: {served.log.read_text()[-2000:]}") from None
            time.sleep(0.05)


def _free_ports(how_many: int) -> list[int]:
    """Ports that the kernel has just chosen."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(how_many)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
