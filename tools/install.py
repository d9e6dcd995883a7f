"""`python -m tools.install FILE`: pip, on one line that moves; all that it says when it fails. Needs Python alone."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

_PINNED = re.compile(r"[A-Za-z0-9._\[\]-]+==")
_FETCHED = re.compile(r"(?:Collecting|Processing|Requirement already satisfied:) (\S+)")
_ARCHIVE = re.compile(r".*/|-[0-9].*|[=<>!;~].*")
_PIP = ("install", "--disable-pip-version-check", "--progress-bar", "off", "--require-hashes", "--no-deps", "-r")


class Count:
    """How far pip is, by what it says. wanted: packages that the file pins."""

    def __init__(self, wanted: int) -> None:
        self.wanted, self.fetched, self.words = wanted, 0, ""

    def read(self, line: str) -> None:
        """Take a line of pip's in."""
        if line.startswith("Ignoring "):  # pinned for another platform
            self.wanted -= 1
        elif found := _FETCHED.match(line):
            self.fetched += 1
            self.words = f"{self.fetched} of {self.wanted}: {_ARCHIVE.sub('', found[1])}"
        elif line.startswith("Installing collected packages"):
            self.words = f"unpacking {self.fetched} packages"


def install(file: Path, show: Callable[[str], None]) -> tuple[int, list[str]]:
    """pip's exit code, and all that it said. `show` gets what it is at, in a few words."""
    count = Count(sum(_PINNED.match(line) is not None for line in file.read_text(encoding="utf-8").splitlines()))
    command = (sys.executable, "-m", "pip", *_PIP, str(file))
    with subprocess.Popen(  # noqa: S603 -- our own pip, on a file that the Makefile names
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as pip:
        said = list(_followed(pip.stdout or (), count, show))
    return pip.returncode, said


def _followed(lines: Iterable[str], count: Count, show: Callable[[str], None]) -> Iterator[str]:
    for line in lines:
        before = count.words
        count.read(line)
        if count.words != before:
            show(count.words)
        yield line


def _show(words: str) -> None:
    """In place of what stood in this line; a log that keeps every line gets none."""
    if sys.stdout.isatty():
        print(f"\r\x1b[K  {words:.70}", end="", flush=True)


def main(arguments: list[str]) -> int:
    """Install what a file pins."""
    began = time.monotonic()
    code, said = install(Path(arguments[0]), _show)
    if sys.stdout.isatty():
        print("\r\x1b[K", end="")
    if code:
        print("".join(said), end="", file=sys.stderr)
        print("The packages could not be installed: pip says above why.", file=sys.stderr)
    else:
        print(f"Installed after {time.monotonic() - began:.0f} s.")
    return code


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
