"""Put the file of a second tier in its place: from a URL or a path the operator names, checked before it counts."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO
from urllib.error import URLError
from urllib.request import urlopen

from classifier.artifact import ModelError, checksum_path
from classifier.second import artifact

_SECONDS = 60
_LARGEST_CHECKSUM = 1024


def fetch(source: str, to: Path, digest: str | None = None) -> artifact.Artifact:
    """Copy `source` (https://, http:// or a path) to `to`, and write its checksum beside it. Returns what was read.

    digest: the SHA-256 that it must have; without one, that of `SOURCE.sha256`. What stands at `to` is replaced only by
    a file that was checked and can be read. Raises ModelError.
    """
    wanted = (digest or _recorded(source)).lower()
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"{to.parent} cannot be made: {error.strerror}.") from error
    with TemporaryDirectory(dir=to.parent, prefix=".fetch-") as folder:
        part = Path(folder) / to.name
        with _opened(source) as found, part.open("wb") as kept:
            _copy(source, found, kept)
        with part.open("rb") as kept:
            true = sha256(kept.read()).hexdigest()
        if true != wanted:
            raise ModelError(f"{source} has the SHA-256 {true}, not {wanted}: it was not installed.")
        checksum_path(part).write_text(f"{true}  {to.name}\n", encoding="ascii")
        read = artifact.read(part)
        checksum_path(to).unlink(missing_ok=True)  # between the two moves nothing is a second tier
        part.replace(to)
        checksum_path(part).replace(checksum_path(to))
    return read


def _recorded(source: str) -> str:
    with _opened(f"{source}.sha256") as found:
        line = found.read(_LARGEST_CHECKSUM).decode("ascii", "replace")
    digest = line.split(" ", 1)[0].strip().lower()
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise ModelError(f"{source}.sha256 does not hold a SHA-256 digest; give it with --sha256.")
    return digest


@contextmanager
def _opened(source: str) -> Iterator[BinaryIO]:
    web = source.startswith(("https://", "http://"))
    try:
        with urlopen(source, timeout=_SECONDS) if web else Path(source).open("rb") as found:  # noqa: S310
            yield found
    except (URLError, HTTPException, OSError, ValueError) as error:
        raise ModelError(f"{source} cannot be read: {error}.") from error


def _copy(source: str, found: BinaryIO, kept: BinaryIO) -> None:
    shutil.copyfileobj(_Bounded(source, found), kept)


class _Bounded:
    """Reads from a file and stops where it is longer than a second tier may be."""

    def __init__(self, source: str, file: BinaryIO) -> None:
        self._source, self._file, self._left = source, file, artifact.MAX_FILE

    def read(self, size: int = -1) -> bytes:
        """As a file does. Raises ModelError."""
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ModelError(f"{self._source} is larger than {artifact.MAX_FILE >> 20} MB and was not installed.")
        return data
