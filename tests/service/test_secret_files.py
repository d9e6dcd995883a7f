"""Secret files for containers: made once, each one different, readable by the containers that get them."""

import subprocess
import sys
import tarfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import pytest

from service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {
    "web": ("web_database_url", "broker_url", "secret_key", "index_key", "contact_public_key"),
    "worker": ("worker_database_url", "broker_url"),
    "relay": ("relay_database_url", "broker_url", "secret_key"),
    "migrate": ("owner_database_url",),
}


def _archive() -> bytes:
    words = [sys.executable, "-m", "service", "secrets"]
    return subprocess.run(words, cwd=ROOT, capture_output=True, check=True, timeout=60).stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `python -m service secrets` made, unpacked."""
    made = tmp_path_factory.mktemp("secrets")
    with tarfile.open(fileobj=BytesIO(_archive())) as archive:
        archive.extractall(made, filter="data")
    return made


def _environ(folder: Path, process: str) -> Mapping[str, str]:
    names = {name: name if name in ("secret_key", "index_key", "contact_public_key") else name.split("_", 1)[1]
             for name in SETTINGS[process]}  # fmt: skip
    names["broker_url"] = "broker_url"
    return {f"COMITY_{names[name].upper()}_FILE": str(folder / name) for name in SETTINGS[process]}


@pytest.mark.parametrize("process", list(SETTINGS))
def test_every_process_starts_with_its_files(folder: Path, process: str) -> None:
    """The settings accept them: URLs are URLs, keys are random enough."""
    assert Settings.read(_environ(folder, process), process)


def test_no_secret_is_made_twice(folder: Path) -> None:
    """Two runs share nothing; within one, only a password and the URL that names it share anything."""
    with tarfile.open(fileobj=BytesIO(_archive())) as archive:
        other = {entry.name: archive.extractfile(entry) for entry in archive}
        contents = {name: stream.read() for name, stream in other.items() if stream}
    assert set(contents) == {path.name for path in folder.iterdir()}
    assert [name for name, content in contents.items() if (folder / name).read_bytes() == content] == []


def test_containers_may_read_the_files(folder: Path) -> None:
    """0444, whoever unpacks them: the folder keeps people out, and a container runs under another number."""
    with tarfile.open(fileobj=BytesIO(_archive())) as archive:
        assert {entry.mode for entry in archive} == {0o444}
