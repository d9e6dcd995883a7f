"""The programs that measure, run briefly against a service of real processes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from service.store import sites
from tests.faults.house import ROOT, House, house, wait_for

ROWS = [
    {"text": "Thank you for this article, I learned something new today.", "spam": 0, "toxicity": 0},
    {"text": "We planted the same roses last spring and they came out beautifully.", "toxicity": 0},
    {"text": "Bring your \u0000 own text.", "spam": 0},
]


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[House, Path]]:
    """One web, one worker, one relay, and a file with the tokens the tools need."""
    with house(web={}, worker={}, relay_1={}) as made:
        with psycopg.connect(made.servers.owner_url, row_factory=psycopg.rows.namedtuple_row) as connection:
            _, admin = sites.add_admin(connection, "admin", None)
        demo = made.folder / "demo.json"
        demo.write_text(json.dumps({"url": made.url, "admin_token": admin}))
        yield made, demo


def _run(module: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)


def test_replay_tells_what_became_of_every_row(running: tuple[House, Path]) -> None:
    """Accepted and refused by reason, outcomes by true label, speed and times."""
    house, demo = running
    file = house.folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    done = _run("tools.replay", str(file), "--sites", "3", "--demo", str(demo))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Accepted 6 of 9; refused 3." in done.stdout
    assert "#/body must not hold control characters" in done.stdout
    assert "harmless" in done.stdout
    assert "decided per second" in done.stdout
    assert "p99" in done.stdout


def test_latency_is_measured_from_post_to_seen(running: tuple[House, Path]) -> None:
    """A short round prints both rows of times."""
    done = _run("tools.latency", "--seconds", "2", "--rate", "20", "--demo", str(running[1]))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "published (request to seen)" in done.stdout


def test_memory_sums_up_a_process_and_all_below_it(running: tuple[House, Path]) -> None:
    """PSS of a process tree, for people and for programs."""
    wait_for(lambda: len(running[0].children("worker")) >= 2, 20, "the worker has its children")
    pid = str(running[0].processes["worker"].pid)
    done = _run("tools.memory", pid, "--json")
    found = json.loads(done.stdout)
    assert found["processes"] >= 3
    assert 20 < found["pss_mb"] < 400
    assert _run("tools.memory", pid, "--bound", "1").returncode == 1


def test_a_service_that_never_ran_is_named(tmp_path: Path) -> None:
    """Without a running service the tools say what to do first."""
    file = tmp_path / "rows.jsonl"
    file.write_text("{}\n")
    done = _run("tools.replay", str(file), "--demo", str(tmp_path / "none.json"))
    assert done.returncode == 1
    assert "make run" in done.stdout
