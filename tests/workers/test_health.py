"""What the health check of a container says about the worker or relay in it."""

import os
import time
from pathlib import Path

import pytest

from service.settings import Settings
from tests.world import World, environment
from workers import health
from workers.beat import EVERY, SILENCE, Beat, age


def _settings(world: World, beat: Path, kind: str = "worker") -> Settings:
    environ = environment(world.owner_url, world.broker_url, f"comity_{kind}", COMITY_BEAT=str(beat))
    return Settings.read(environ, kind)


@pytest.fixture
def beat(tmp_path: Path) -> Path:
    """A file that was touched just now."""
    path = tmp_path / "beat"
    Beat(path).touch()
    return path


@pytest.mark.parametrize("kind", health.KINDS)
def test_a_process_that_comes_round_is_healthy(world: World, beat: Path, kind: str) -> None:
    """It touched its file a moment ago, and the database answers as its role."""
    assert health.trouble(kind, _settings(world, beat, kind)) is None


@pytest.mark.parametrize("kind", health.KINDS)
def test_a_process_that_hangs_is_not(world: World, beat: Path, kind: str) -> None:
    """Its file is old; or it never touched one."""
    past = time.time() - SILENCE - 1
    os.utime(beat, (past, past))
    assert "has not come round for 16 s" in str(health.trouble(kind, _settings(world, beat, kind)))
    beat.unlink()
    assert "since it started" in str(health.trouble(kind, _settings(world, beat, kind)))


def test_a_process_without_its_database_is_not(world: World, beat: Path) -> None:
    """However lively it is."""
    settings = Settings.read(
        environment("postgresql://x@127.0.0.1:1/x", world.broker_url, "comity_worker", COMITY_BEAT=str(beat)), "worker"
    )
    assert health.trouble("worker", settings) == "The database does not answer."


def test_a_deaf_worker_is_not(world: World, beat: Path) -> None:
    """It comes round, but work has been due for long and no worker claimed any; a relay is not to blame for that."""
    world.submit()
    world.execute("INSERT INTO comity.pulse VALUES ('worker:x:1', now() - interval '30 seconds')")
    world.execute("UPDATE comity.comment SET due_at = now() - interval '25 seconds'")
    assert "no worker has claimed any for 30 s" in str(health.trouble("worker", _settings(world, beat)))
    assert health.trouble("relay", _settings(world, beat, "relay")) is None


def test_nobody_knows_without_a_file_to_look_at(world: World) -> None:
    """A check that cannot tell says so instead of guessing."""
    settings = Settings.read(environment(world.owner_url, world.broker_url, "comity_worker"), "worker")
    assert "COMITY_BEAT is not set" in str(health.trouble("worker", settings))


def test_the_command_answers_by_its_exit_code(
    world: World, beat: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 healthy, 1 not, 64 asked wrongly; one sentence on standard error."""
    for name, value in environment(world.owner_url, world.broker_url, "comity_worker", COMITY_BEAT=str(beat)).items():
        monkeypatch.setenv(name, value)
    assert health.main(["worker"]) == 0
    monkeypatch.setenv("COMITY_DATABASE_URL", "x")
    assert health.main(["worker"]) == 1
    assert health.main(["web"]) == 64
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_a_beat_is_cheap(tmp_path: Path) -> None:
    """A process that comes round a hundred times a second touches its file every two seconds."""
    beat = Beat(tmp_path / "beat")
    beat.touch()
    past = time.time() - 100
    os.utime(tmp_path / "beat", (past, past))
    beat.touch()
    assert (age(tmp_path / "beat") or 0) > 90
    beat._touched -= EVERY
    beat.touch()
    assert (age(tmp_path / "beat") or 0) < 5
    Beat(None).touch()
