"""Backups by PostgreSQL's own tools: whole or not at all, checked, restored, compared."""

import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from service import backups, embedded
from service.cli.exits import Exit
from service.store import dumps, migrate
from service.version import VERSION
from tests.service.cli.conftest import Terminal, terminal
from tests.world import World


@pytest.fixture
def file(at_world: Terminal, world: World, tmp_path: Path) -> Path:
    """A backup of a service with some comments."""
    world.published()
    world.flagged()
    made = tmp_path / "comity.backup"
    at_world.done("backup", made)
    return made


@pytest.fixture
def empty_url(servers: embedded.Servers, world: World) -> str:
    """An empty database of the owner's."""
    name = f"{urlsplit(world.owner_url).path[1:]}_empty"
    with psycopg.connect(servers.superuser_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER comity_owner").format(sql.Identifier(name)))
    return urlsplit(world.owner_url)._replace(path=f"/{name}").geturl()


def test_a_backup_says_what_it_holds_and_what_not(at_world: Terminal, file: Path) -> None:
    """A checksum that sha256sum takes, rows by table, and a word about keys."""
    assert (file.stat().st_mode & 0o777, file.read_bytes()[:5]) == (0o600, b"PGDMP")
    checked = subprocess.run(["sha256sum", "--check", f"{file.name}.sha256"], cwd=file.parent, capture_output=True)
    assert checked.returncode == 0
    text = backups.checksum_path(file).read_text()
    assert re.search(r"^# Comity \S+, schema \d{4}, PostgreSQL 18, \S+Z$", text, re.MULTILINE)
    assert "# comity.comment 2\n" in text
    again = at_world.done("backup", file.with_name("second.backup"))
    assert "Keys are not in it: keep COMITY_SECRET_KEY, COMITY_INDEX_KEY and the contact keys too" in again.out
    data = at_world.done("backup", file.with_name("third.backup"), "--json").data
    assert (data["rows"]["contacts.contact"], data["schema"]) == (2, migrate.HEAD)


def test_a_backup_overwrites_nothing(at_world: Terminal, file: Path) -> None:
    """Neither a backup nor a checksum, and leaves no draft."""
    before = file.read_bytes()
    answer = at_world("backup", file)
    assert (answer.code, answer.err) == (
        Exit.CANNOT_CREATE,
        f"{file} exists and is not overwritten: choose another name.\n",
    )
    assert file.read_bytes() == before
    file.unlink()
    assert at_world("backup", file).code == Exit.CANNOT_CREATE
    nowhere = at_world("backup", file.parent / "gone" / "x.backup")
    assert (nowhere.code, "No such file or directory" in nowhere.err) == (Exit.CANNOT_CREATE, True)
    assert [path.name for path in file.parent.iterdir() if path.name.endswith(".part")] == []


def test_a_backup_restores_into_an_empty_database(
    at_world: Terminal, world: World, file: Path, empty_url: str, states: list[str]
) -> None:
    """With a preview and a question; rights and keys' fingerprints come along, and the schema is this release's."""
    asked = at_world("restore", file, "--into", empty_url)
    assert asked.code == Exit.UNASKED
    assert f"by Comity {VERSION}: schema {migrate.HEAD}" in asked.err
    assert "Keys are not in it" in asked.err
    said = at_world.done("restore", file, "--into", empty_url, "--yes").out
    assert states == []  # no connection is open while somebody thinks
    assert said.startswith("Restored ")
    restored = terminal(empty_url, world.broker_url)
    assert [row["name"] for row in restored.done("site", "list", "--json").rows] == ["blog"]
    assert len(restored.done("queue", "list", "--json").rows) == 1
    assert restored("doctor", "--json").code == Exit.DOUBTS
    assert dumps.state(empty_url) == dumps.state(world.owner_url)

    full = at_world("restore", file, "--into", empty_url, "--yes")
    assert (full.code, full.err) == (
        Exit.CONFLICT, "The database is not empty and nothing in it is replaced: name an empty one with --into.\n",
    )  # fmt: skip
    assert at_world("restore", file, "--yes").code == Exit.CONFLICT


def test_a_backup_is_verified_in_a_scratch_database(
    world: World, servers: embedded.Servers, file: Path, at_world: Terminal
) -> None:
    """Which is gone afterwards; an owner who may not make one is told."""
    path = urlsplit(world.owner_url).path
    powerful = terminal(urlsplit(servers.superuser_url)._replace(path=path).geturl())
    assert "all as backed up. The scratch database is gone again." in powerful.done("restore", file, "--verify").out
    assert powerful.done("restore", file, "--verify", "--json").data["verified"] is True
    assert scratch_databases(servers) == []
    refused = at_world("restore", file, "--verify")
    assert (refused.code, "CREATEDB" in refused.err) == (Exit.NO_PERMISSION, True)
    assert at_world("restore", file, "--verify", "--into", "postgresql://x").code == Exit.USAGE


def test_a_backup_that_lost_rows_does_not_pass(world: World, servers: embedded.Servers, file: Path) -> None:
    """The counts of the backup's moment are compared with what comes back."""
    note = backups.checksum_path(file)
    note.write_text(note.read_text().replace("# comity.comment 2", "# comity.comment 3"))
    powerful = terminal(urlsplit(servers.superuser_url)._replace(path=urlsplit(world.owner_url).path).geturl())
    answer = powerful("restore", file, "--verify")
    assert (answer.code, "comity.comment has 2 rows instead of 3" in answer.err) == (Exit.DATA, True)
    assert scratch_databases(servers) == []


def scratch_databases(servers: embedded.Servers) -> list[str]:
    """Those that a verification makes."""
    with psycopg.connect(servers.superuser_url) as connection:
        rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'comity_verify%'").fetchall()
    return [row[0] for row in rows]


def test_a_damaged_backup_is_refused(at_world: Terminal, file: Path, empty_url: str) -> None:
    """Before anything is done with it."""
    whole = file.read_bytes()
    for harm in (whole[:-1], whole[:100] + bytes([whole[100] ^ 1]) + whole[101:], b""):
        file.write_bytes(harm)
        answer = at_world("restore", file, "--into", empty_url, "--yes")
        assert (answer.code, "is damaged: its SHA-256 is not the one" in answer.err) == (Exit.DATA, True)
    note = backups.checksum_path(file)
    note.write_text("nonsense\n")
    assert "is not what `comity backup` writes" in at_world("restore", file, "--yes").err
    note.unlink()
    assert "is missing" in at_world("restore", file, "--yes").err


def test_a_file_that_is_no_dump_leaves_the_database_empty(at_world: Terminal, file: Path, empty_url: str) -> None:
    """Whole or not at all, even when its checksum is right."""
    note = backups.checksum_path(file)
    old = backups.digest(file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    note.write_text(note.read_text().replace(old, backups.digest(file)))
    answer = at_world("restore", file, "--into", empty_url, "--yes")
    assert answer.code == Exit.NOTHING
    assert answer.err.splitlines()[-1].startswith("pg_restore ended: ")
    with psycopg.connect(empty_url) as connection:
        found = connection.execute("SELECT to_regclass('comity.site')").fetchone()
    assert found == (None,)


def test_tools_of_another_version_are_not_used() -> None:
    """They would write what the server cannot read."""
    with pytest.raises(backups.ToolsMissing, match="PostgreSQL 9"):
        backups.tools(9)
    assert backups.tools(18).dump.name == "pg_dump"


def test_no_password_stands_in_a_command_line() -> None:
    """PostgreSQL's programs get it in their environment."""
    given = dumps.environment(
        "postgresql://ann:s%40cret@db.example:5433/comity?sslmode=verify-full&sslrootcert=/ca.pem"
    )
    assert given == {
        "PGUSER": "ann", "PGPASSWORD": "s@cret", "PGHOST": "db.example", "PGPORT": "5433", "PGDATABASE": "comity",
        "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/ca.pem",
    }  # fmt: skip
    assert dumps.place("postgresql://ann:secret@db.example/comity") == "database comity at db.example"
