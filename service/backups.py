"""Backups of the database by PostgreSQL's own tools: written whole with a checksum, checked before they are read back.

Beside FILE stands FILE.sha256, which `sha256sum --check` takes; its comments say what the backup holds:

    # Comity 0.1.0, schema 0003, PostgreSQL 18, 2026-11-24T20:00:00Z
    # comity.comment 1234
    8d6f...  FILE

Keys are not part of a backup: without them nobody who finds one can open an address.
"""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from service.embedded.files import is_full, sync_folder
from service.embedded.programs import clients
from service.store import dumps
from service.store.database import Connection
from service.store.revision import current
from service.version import VERSION

Step = Callable[[str], None]
_HEAD = re.compile(r"# Comity (\S+), schema (\S+), PostgreSQL (\d+), (\S+)")
_ROWS = re.compile(r"# (\w+\.\w+) (\d+)")
_TABLE = re.compile(r'(?:dumping contents of|processing data for) table "([^"]+)"')
_CHUNK = 1 << 20


class BackupError(Exception):
    """Raised when a backup cannot be written or read; the text is a sentence for the operator."""


class Exists(BackupError):
    """Raised when the file to be written is there."""


class Damaged(BackupError):
    """Raised when a backup is not what was written."""


class Full(BackupError):
    """Raised when the disk has no room for it."""


class ToolsMissing(BackupError):
    """Raised when there is no pg_dump and pg_restore of the server's major version."""


@dataclass(frozen=True, slots=True)
class Tools:
    """PostgreSQL's programs."""

    dump: Path
    restore: Path


@dataclass(frozen=True, slots=True)
class Contents:
    """What a backup holds. rows: by table."""

    release: str
    schema: str
    major: int
    made_at: datetime
    size: int
    sha256: str
    rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Rows of all tables."""
        return sum(self.rows.values())


def tools(major: int) -> Tools:
    """Those of the wheel or, where another version of PostgreSQL is meant, of the PATH. Raises ToolsMissing."""
    for folder in _folders():
        found = Tools(folder / "pg_dump", folder / "pg_restore")
        if all(_major(program) == major for program in (found.dump, found.restore)):
            return found
    raise ToolsMissing(
        f"There is no pg_dump and pg_restore of PostgreSQL {major}: install its client programs, and have them in PATH."
    )


def _folders() -> Iterator[Path]:
    if (own := clients()) is not None:
        yield own
    if found := shutil.which("pg_dump"):
        yield Path(found).parent


def _major(program: Path) -> int | None:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return None
    number = re.search(r"(\d+)(?:\.\d+)?", said)
    return int(number[1]) if number else None


def checksum_path(file: Path) -> Path:
    """Where the checksum of a backup stands."""
    return file.with_name(f"{file.name}.sha256")


def refuse_existing(file: Path) -> None:
    """Raises Exists when a backup or its checksum is there already."""
    for path in (file, checksum_path(file)):
        if path.exists():
            raise Exists(f"{path} exists and is not overwritten: choose another name.")


def write(connection: Connection, url: str, file: Path, step: Step) -> Contents:
    """Write a backup of the database to a new file, of one moment. `step` is told each table.

    Nobody but the caller may read it; it is there whole, or not at all. Raises BackupError in its kinds, OSError.
    """
    refuse_existing(file)
    found = tools(dumps.major(connection))
    draft = file.with_name(f".{file.name}.part")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise Exists(f"{draft} exists: another backup is being written, or was cut off; then remove it.") from None
    try:
        with open(descriptor, "wb") as target, dumps.snapshot(connection) as moment:
            rows = dumps.counts(connection)
            words = ("--format=custom", "--no-owner", "--no-unlogged-table-data", f"--snapshot={moment}")
            _run((found.dump, *words, "--verbose"), url, step, target.fileno())
            os.fsync(target.fileno())
        contents = _described(draft, rows, dumps.major(connection), current(url) or "none")
        _publish(draft, file, contents)
    finally:
        draft.unlink(missing_ok=True)
    return contents


def _described(draft: Path, rows: Mapping[str, int], major: int, schema: str) -> Contents:
    now = datetime.now(UTC).replace(microsecond=0)
    return Contents(VERSION, schema, major, now, draft.stat().st_size, digest(draft), rows)


def _publish(draft: Path, file: Path, contents: Contents) -> None:
    """Give the file its name, its checksum first; neither is ever put over another."""
    moment = contents.made_at.isoformat().replace("+00:00", "Z")
    head = f"# Comity {contents.release}, schema {contents.schema}, PostgreSQL {contents.major}, {moment}"
    lines = [head, *(f"# {table} {count}" for table, count in contents.rows.items())]
    checksum = checksum_path(file)
    try:
        with open(os.open(checksum, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as target:
            target.write("\n".join([*lines, f"{contents.sha256}  {file.name}", ""]))
            target.flush()
            os.fsync(target.fileno())
    except FileExistsError:
        raise Exists(f"{checksum} exists and is not overwritten: choose another name.") from None
    try:
        os.link(draft, file)
    except FileExistsError:
        checksum.unlink()
        raise Exists(f"{file} exists and is not overwritten: choose another name.") from None
    sync_folder(file.resolve().parent)


def read(file: Path) -> Contents:
    """What a backup holds, after its checksum was found right. Raises Damaged, OSError."""
    try:
        lines = checksum_path(file).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise Damaged(f"{checksum_path(file)} is missing, so nobody can say whether the backup is whole.") from None
    except UnicodeDecodeError:
        lines = []
    head = _HEAD.fullmatch(lines[0]) if lines else None
    recorded = next((line.split()[0] for line in lines if line and not line.startswith("#")), "")
    if head is None or not recorded:
        raise Damaged(f"{checksum_path(file)} is not what `comity backup` writes: put it back as it was.")
    if digest(file) != recorded:
        raise Damaged(f"{file} is damaged: its SHA-256 is not the one in {checksum_path(file).name}.")
    rows = {found[1]: int(found[2]) for line in lines if (found := _ROWS.fullmatch(line))}
    made = datetime.fromisoformat(head[4].replace("Z", "+00:00"))
    return Contents(head[1], head[2], int(head[3]), made, file.stat().st_size, recorded, rows)


def restore(url: str, file: Path, contents: Contents, step: Step) -> None:
    """Read a backup into an empty database, whole or not at all. Raises BackupError, Forbidden, Unavailable."""
    found = tools(contents.major)
    dumps.make_roles(url)
    name = dumps.environment(url).get("PGDATABASE", "")
    words = ("--no-owner", "--exit-on-error", "--single-transaction", "--verbose", f"--dbname={name}")
    _run((found.restore, *words, file), url, step, None)


def differences(url: str, contents: Contents) -> list[str]:
    """In what a restored database is not what was backed up."""
    schema, rows = dumps.state(url)
    found = [] if schema == contents.schema else [f"schema {schema} instead of {contents.schema}"]
    return found + [
        f"{table} has {rows.get(table, 0):,} rows instead of {count:,}"
        for table, count in contents.rows.items()
        if rows.get(table) != count
    ]


def digest(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _run(words: tuple[str | Path, ...], url: str, step: Step, output: int | None) -> None:
    """Run one of the tools. Raises Full, BackupError with what it said last, never with a row."""
    env = {"PATH": os.defpath, "LC_ALL": "C", **dumps.environment(url)}
    child = subprocess.Popen(  # noqa: S603 - PostgreSQL's own program
        [str(word) for word in words], env=env, stdin=subprocess.DEVNULL, stdout=output or subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, errors="replace",
    )  # fmt: skip
    try:
        assert child.stderr is not None
        said = _follow(child.stderr, step)
        if child.wait() != 0:
            raise _why(Path(words[0]).name, said)
    finally:
        if child.poll() is None:
            child.kill()
        with suppress(OSError):
            child.wait()


def _follow(lines: Iterable[str], step: Step) -> str:
    """Tell of each table; the first error."""
    error = ""
    for line in lines:
        if found := _TABLE.search(line):
            step(found[1])
        if not error and "error:" in line:
            error = line.strip()
    return error


def _why(program: str, said: str) -> BackupError:
    if is_full(said):
        return Full("The disk is full: make room there, or name another place.")
    # What follows a quotation mark or a key could be content.
    short = re.split(r"DETAIL|CONTEXT|Key \(|: \"", said.partition("error: ")[2])[0].strip()
    return BackupError(f"{program} ended: {short or 'it said nothing'}.")
