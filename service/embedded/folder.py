"""The data folder: its rooms, who owns them, and where the sockets go.

lock  secrets.json       who runs it; generated passwords and keys        of whoever runs the command
conf/  run/  log/        written anew at each start; process records
postgres/  valkey/       the servers' data                                of the servers' user
sock/                    their sockets
programs/                copies, where the servers' user cannot run the wheels'
"""

import hashlib
import os
import pwd
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from service.embedded.errors import FolderError
from service.embedded.files import explain, is_full, read_own, write_atomically
from service.embedded.process import Account

_LONGEST_SOCKET = 103  # bytes: Linux takes 107, macOS 103
_POSTGRES_SOCKET = ".s.PGSQL.5432.lock"


@dataclass(frozen=True)
class Folder:
    """A data folder that exists and can be written. `account`: the servers' user, None for our own."""

    data: Path
    account: Account | None

    @property
    def conf(self) -> Path:
        return self.data / "conf"

    @property
    def run(self) -> Path:
        return self.data / "run"

    @property
    def log(self) -> Path:
        return self.data / "log"

    @property
    def postgres(self) -> Path:
        return self.data / "postgres"

    @property
    def valkey(self) -> Path:
        return self.data / "valkey"

    def give(self, path: Path) -> None:
        """Make the servers' user the owner of what we have just made."""
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid, follow_symlinks=False)

    def warn(self, line: str) -> str | None:
        """The sentence for a line by which a server says that the disk is full."""
        if not is_full(line):
            return None
        return f"the disk of {self.data} is full: make room there; nothing that was accepted is lost"

    def make(self, path: Path) -> None:
        """A folder for the servers alone. One that is there stays as it is."""
        if _made(path, 0o700):
            self.give(path)


def default_data(checkout: Path, environ: Mapping[str, str]) -> Path:
    """`COMITY_DATA`; else `var/data` in the checkout, or for root a folder of the checkout's own in /var/lib/comity."""
    if named := environ.get("COMITY_DATA"):
        return Path(named).absolute()
    if os.geteuid() != 0:
        return checkout / "var/data"
    place = checkout.resolve()
    return Path("/var/lib/comity") / f"{place.name}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:8]}"


def look(data: Path) -> Folder:
    """A data folder as it is; nothing is made. Raises FolderError, OSError when there is none."""
    return Folder(data.resolve(strict=True), _account(data))


def make_home(data: Path) -> None:
    """Make the folder above a default data folder, which nobody else will. Raises FolderError, DiskFull."""
    try:
        data.parent.parent.mkdir(parents=True, exist_ok=True)
        if _made(data.parent, 0o777):
            data.parent.chmod(0o755)
    except OSError as error:
        raise explain(error, data) from error


def open_folder(data: Path, servers: bool = True) -> Folder:
    """Make what is missing of `data`, itself included, but nothing above it. Raises FolderError, DiskFull.

    Without `servers` none of it is given to another user.
    """
    try:
        account = _account(data) if servers else None
        data.mkdir(mode=0o700, exist_ok=True)
        folder = Folder(data.resolve(), account)
        if account is not None:
            _let_through(folder.data)
        for room in (folder.conf, folder.run, folder.log):
            _make_passable(room)
        for room in (folder.valkey, folder.data / "sock") if servers else ():
            folder.make(room)
        write_atomically(folder.run / "written", b"yes")  # A folder may be there and yet refuse files.
    except FileNotFoundError as error:
        raise FolderError(f"The data folder {data} cannot be made: {data.parent} does not exist.") from error
    except OSError as error:
        raise explain(error, data) from error
    return folder


def _account(data: Path) -> Account | None:
    """PostgreSQL refuses to run as root: the folder's owner, or user `comity`, or `nobody` does it instead."""
    if os.geteuid() != 0:
        return None
    if data.is_dir() and (owner := data.stat().st_uid) != 0:
        return _numbered(owner, data)
    for name in ("comity", "nobody"):
        try:
            return Account.named(name)
        except KeyError:
            continue
    raise FolderError("PostgreSQL does not run as root and there is no user comity or nobody: make one of them.")


def _numbered(uid: int, data: Path) -> Account:
    try:
        return Account.numbered(uid)
    except KeyError:
        raise FolderError(f"The data folder {data} belongs to user {uid}, who has no name on this machine.") from None


def _let_through(folder: Path) -> None:
    """The servers' user must pass `folder` to reach its own rooms; listing it stays ours."""
    mode = folder.stat().st_mode & 0o7777
    if mode & 0o011 != 0o011 and folder.stat().st_uid == os.geteuid():
        folder.chmod(mode | 0o011)


def _make_passable(room: Path) -> None:
    if _made(room, 0o700):
        room.chmod(0o711)


def _made(folder: Path, mode: int) -> bool:
    """Make a folder; False when it is there, be it since a moment: two may start at once."""
    try:
        folder.mkdir(mode=mode)
    except FileExistsError:
        return False
    return True


def sockets_of(folder: Folder) -> Path | None:
    """Where the sockets of servers that run are; None where none was made."""
    own = folder.data / "sock"
    return own if _short_enough(own) else _recorded(folder)


def _short_enough(sockets: Path) -> bool:
    return len(os.fsencode(sockets / _POSTGRES_SOCKET)) <= _LONGEST_SOCKET


def socket_folder(folder: Folder) -> Path:
    """Where the servers' sockets go: `sock`, or a private folder in the system's temporary one if the path is too long.

    The latter is recorded, used again at the next start and removed by `remove_socket_folder`.
    """
    own = folder.data / "sock"
    if _short_enough(own):
        return own
    return _recorded(folder) or _elsewhere(folder)


def _recorded(folder: Folder) -> Path | None:
    record = read_own(folder.run / "sockets.json")
    if record is None:
        return None
    path = Path(str(record.get("folder")))
    owner = os.geteuid() if folder.account is None else folder.account.uid
    try:
        state = path.lstat()
    except OSError:
        return None
    return path if state.st_uid == owner and state.st_mode == 0o40700 else None


def _elsewhere(folder: Folder) -> Path:
    path = Path(tempfile.mkdtemp(prefix="comity-"))
    folder.give(path)
    write_atomically(folder.run / "sockets.json", f'{{"folder": "{path}"}}'.encode())
    return path


def remove_socket_folder(folder: Folder) -> None:
    """Remove the folder outside the data folder, if there is one."""
    if (path := _recorded(folder)) is not None:
        shutil.rmtree(path, ignore_errors=True)
    (folder.run / "sockets.json").unlink(missing_ok=True)


def own_name() -> str:
    """The name of the user we run as, for messages."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
