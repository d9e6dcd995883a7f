"""Earlier releases, out of the repository's history."""

import io
import re
import subprocess
import tarfile
from pathlib import Path

from service.version import VERSION

ROOT = Path(__file__).resolve().parents[1]


class NoHistory(Exception):
    """Raised when the history does not hold what is looked for; says what to do."""


def previous(folder: Path) -> str:
    """Put the code of the release before this one into a folder: the commit that gave it its number. Returns that.

    Raises NoHistory.
    """
    version = _release()
    commits = _git("log", "--format=%H", "--reverse", f'-SVERSION = "{version}"', "--", "service/version.py")
    commit = next(iter(commits.decode().split()), "HEAD")
    if f'VERSION = "{version}"' not in _git("show", f"{commit}:service/version.py").decode():
        raise NoHistory(
            f"The history does not reach back to release {version}: `git fetch --unshallow`, then try again."
        )
    with tarfile.open(fileobj=io.BytesIO(_git("archive", commit, "service", "workers", "classifier"))) as archive:
        archive.extractall(folder, filter="data")
    return version


def _release() -> str:
    """The release before this one."""
    found = re.findall(r"^## (\S+) - \S+$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    earlier = [version for version in found if version != VERSION]
    return earlier[0] if earlier else found[0]


def _git(*words: str) -> bytes:
    done = subprocess.run(["git", "-c", "safe.directory=*", *words], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode().strip()
        raise NoHistory(f"git {words[0]}: {said}. This needs the repository with its history.")
    return done.stdout
