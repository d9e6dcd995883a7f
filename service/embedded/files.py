"""Files of the data folder: written whole or not at all, generated secrets, the lock."""

import errno
import fcntl
import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from service.embedded.errors import AlreadyRunning, DiskFull, FolderError, StartError

#: How programs say that there is no room: on the disk, in a quota, under a limit on the size of files.
_FULL = (*(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)), "wrote only")


def write_atomically(path: Path, content: bytes, mode: int = 0o600, durable: bool = True) -> None:
    """Put `content` at `path`; a reader, or a crash, sees the old file or the new one."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            if durable:
                os.fsync(descriptor)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a new name in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_own(path: Path) -> dict[str, Any] | None:
    """The JSON object in `path`; None if it is missing, broken, or somebody else's, who might wish us to believe it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    with open(descriptor, encoding="utf-8") as file:
        if os.fstat(descriptor).st_uid != os.geteuid():
            return None
        try:
            value = json.load(file)
        except ValueError:
            return None
    return value if isinstance(value, dict) else None


def explain(error: OSError, data: Path) -> StartError:
    """The sentence for what the operating system said about the data folder."""
    if is_full(str(error)):
        return DiskFull(f"The disk of {data} is full: make room there, or name another folder with COMITY_DATA.")
    return FolderError(
        f"The data folder {data} cannot be used ({error.strerror}): make it writable, "
        "or name another folder with COMITY_DATA."
    )


@contextmanager
def explained(data: Path) -> Iterator[None]:
    """Turns whatever the operating system refuses inside into its sentence."""
    try:
        yield
    except OSError as error:
        raise explain(error, data) from error


def is_full(said: str) -> bool:
    """Whether what a program said means that the disk is full."""
    return any(words in said for words in _FULL)


def token() -> str:
    """256 bits, in letters that need no quoting in URLs, SQL or a shell."""
    return secrets.token_hex(32)


class Secrets:
    """Passwords and keys, each generated once and kept in `secrets.json` (0600, of whoever runs the command)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values: dict[str, str] = self._load()

    def _load(self) -> dict[str, str]:
        if not self._path.exists():
            return {}
        values = read_own(self._path)
        if values is None:
            raise FolderError(f"{self._path} is damaged or belongs to another user: put it back from a backup.")
        return values

    def get(self, name: str, make: Callable[[], str] = token) -> str:
        """The secret `name`, generated and safely on disk before anybody sees it."""
        if name not in self._values:
            self.update({name: make()})
        return self._values[name]

    def ensure(self, *names: str) -> None:
        """Generate those of `names` that are missing, in one write."""
        missing = {name: token() for name in names if name not in self._values}
        if missing:
            self.update(missing)

    def update(self, values: dict[str, str]) -> None:
        """Add `values` in one write."""
        self._values = {**self._values, **values}
        write_atomically(self._path, json.dumps(self._values, indent=1, sort_keys=True).encode())

    def move(self, name: str, path: Path) -> None:
        """Put the secret `name`, if it is here, into a file of its own, and forget it."""
        if name not in self._values:
            return
        write_atomically(path, self._values.pop(name).encode() + b"\n")
        self.update({})

    def __contains__(self, name: object) -> bool:
        return name in self._values


class Lock:
    """The right to use a data folder; the kernel takes it back when its holder ends, however it ends."""

    def __init__(self, path: Path) -> None:
        """Raises AlreadyRunning while another process holds it."""
        self._since = datetime.now(UTC).isoformat(timespec="seconds")
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise AlreadyRunning(_says_who(path)) from None
        self.note()

    def note(self, **more: str) -> None:
        """Write down who holds it, for whoever comes second."""
        holder = {"pid": os.getpid(), "since": self._since, "command": " ".join(sys.argv)}
        with suppress(OSError):  # A full disk: the lock holds without it.
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, json.dumps({**holder, **more}).encode(), 0)

    def release(self) -> None:
        """Let the next one in. The file stays: removing it would let two hold it at once."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def __enter__(self) -> "Lock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _says_who(path: Path) -> str:
    holder = read_own(path) or {}
    pid, since, url = holder.get("pid", "unknown"), holder.get("since", "an unknown time"), holder.get("url")
    where = f" at {url}" if url else ""
    return f"Comity runs already{where} (process {pid}, since {since}) with the data folder {path.parent}."
