"""Figure 5: the memory of a whole service as `make run` starts it: idle, and after it took and decided comments."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from tools.bench import load
from tools.bench.accepting import comments
from tools.bench.figure import Figure
from tools.bench.scale import Scale
from tools.bench.stage import Stage, free_port, wait_for
from tools.client import Client, demo
from tools.memory import family, pss
from tools.replay import make_site

MOST = 450.0  # MB
_CONNECTIONS = 4


def measure(stage: Stage, scale: Scale) -> list[Figure]:
    """Proportional set size (PSS) of the supervisor and all below it."""
    port, data = free_port(), stage.folder / "whole"
    environ = {"COMITY_DATA": str(data), "COMITY_PORT": str(port), "COMITY_METRICS_PORT": "0"}
    child = stage.spawn([sys.executable, "-m", "service", "run"], environ)
    try:
        client = _client(child, data)
        idle = _all(child.pid)
        key = make_site(client, demo(data / "demo.json")["admin_token"], 0)
        load.drive(port, _some(key, port, scale.stored), _CONNECTIONS, status=202)
        wait_for(lambda: _decided(client, key), "all is decided", 600)
        after = _all(child.pid)
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(60)
    return [
        _figure("5a", "memory of the whole service, idle", idle),
        _figure("5b", f"memory of the whole service after {scale.stored:,} comments", after),
    ]


def _client(child: subprocess.Popen[bytes], data: Path) -> Client:
    def ready() -> bool:
        if child.poll() is not None:
            raise load.LoadError("the service ended at its start")
        try:
            return Client(demo(data / "demo.json")["url"]).request("GET", "/readyz")[0] == 200
        except Exception:
            return False

    wait_for(ready, "the service is ready", 120)
    return Client(demo(data / "demo.json")["url"])


def _some(key: str, port: int, count: int) -> Iterator[bytes]:
    return islice(comments(key, port), count)


def _decided(client: Client, key: str) -> bool:
    """Whether the comments that came last are decided: a look at the newest changes."""
    page = client.must("GET", "/v1/comments?updated_since=2000-01-01T00:00:00Z&limit=100", key)
    while page["next_cursor"]:
        page = client.must(
            "GET", f"/v1/comments?updated_since=2000-01-01T00:00:00Z&limit=100&cursor={page['next_cursor']}", key
        )
    return all(one["status"] != "pending" for one in page["comments"])


def _all(pid: int) -> float:
    return sum(pss(one.pid) for one in family(pid))


def _figure(number: str, what: str, size: float) -> Figure:
    return Figure(
        number, what, "the goal itself", f"{size:.0f} MB", "", size, MOST, unit=" MB", most=True,
        bound="interpreters and libraries of web, worker and relays; PostgreSQL's shared buffers",
    )  # fmt: skip
