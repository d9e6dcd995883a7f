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
    """Put the code of the release before this one into a folder: the last commit of its day. Returns its version.

    Raises NoHistory.
    """
    version, day = _release()
    commit = _git("rev-list", "-1", f"--until={day} 23:59:59 +0000", "HEAD").decode().strip()
    if not commit:
        raise NoHistory(
            f"The history does not reach back to release {version}: `git fetch --unshallow`, then try again."
        )
    with tarfile.open(fileobj=io.BytesIO(_git("archive", commit, "service", "workers", "classifier"))) as archive:
        archive.extractall(folder, filter="data")
    assert f'VERSION = "{version}"' in (folder / "service/version.py").read_text(encoding="utf-8")
    return version


def _release() -> tuple[str, str]:
    """Version and day of the release before this one: of the newest, as long as the next one has no number yet."""
    found = re.findall(r"^## (\S+) - (\S+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    earlier = [(version, day) for version, day in found if version != VERSION]
    return earlier[0] if earlier else found[0]


def _git(*words: str) -> bytes:
    done = subprocess.run(["git", "-c", "safe.directory=*", *words], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode().strip()
        raise NoHistory(f"git {words[0]}: {said}. This needs the repository with its history.")
    return done.stdout
