"""The command line as processes: how the embedded service is found, terminals, completion, the program `comity`."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from classifier.model import DEFAULT
from service import embedded
from service.cli import ROOMS, main
from service.cli.exits import Exit
from tests.faults.test_run import scratch
from tests.service.cli.conftest import Terminal
from tests.world import World, migrate

ROOT = Path(__file__).resolve().parents[3]


def run(
    *words: object, environ: Mapping[str, str] | None = None, given: str = "", cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """`comity WORDS` in another process."""
    return subprocess.run(
        [sys.executable, "-m", "service", *map(str, words)],
        cwd=cwd, env=clean(environ or {}), input=given, capture_output=True, text=True, timeout=100,
    )  # fmt: skip


def clean(more: Mapping[str, str]) -> dict[str, str]:
    """Our environment without settings, with these."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("COMITY_", "_COMITY"))}
    return {**ours, "PYTHONPATH": str(ROOT), **more}


def test_the_running_service_is_found_by_its_folder(servers: embedded.Servers, template: str, folder: Path) -> None:
    """By its data folder alone: sockets and passwords are read from there."""
    there = {"COMITY_DATA": str(folder / "data")}
    found = run("site", "list", environ=there)
    assert (found.returncode, found.stderr) == (0, "")
    assert "no site yet" in found.stdout
    told = run("doctor", environ={**there, "COMITY_PORT": "1", "COMITY_METRICS_PORT": "0"})
    assert (told.returncode, " bad." in told.stdout, " 0 bad." in told.stdout) == (Exit.NOTHING, True, False)
    assert "COMITY_SECRET_KEY is not set here" in told.stdout  # this folder never had a web process
    assert "Valkey 9" in told.stdout
    assert servers.secrets.get("comity_owner") not in told.stdout


def test_what_is_not_there_is_said_in_one_sentence(tmp_path: Path) -> None:
    """No Comity, a stopped one, one of somebody else's, wrong settings."""
    none = run("site", "list", environ={"COMITY_DATA": str(tmp_path / "none")})
    assert none.returncode == Exit.UNAVAILABLE
    assert none.stderr == (
        f"There is no Comity in {tmp_path}/none: start it with `make run`, name its folder with COMITY_DATA, or a "
        "database with COMITY_DATABASE_URL.\n"
    )
    (tmp_path / "secrets.json").write_text('{"comity_owner": "secret", "postgres": "secret"}')
    stopped = run("site", "list", environ={"COMITY_DATA": str(tmp_path)})
    assert stopped.returncode == Exit.UNAVAILABLE
    assert stopped.stderr == f"The servers of {tmp_path} do not run: start them with `make run`.\n"
    silent = run("site", "list", environ={"COMITY_DATABASE_URL": "postgresql://a:b@127.0.0.1:1/c"})
    assert (silent.returncode, silent.stderr.count("\n")) == (Exit.UNAVAILABLE, 1)
    wrong = run("site", "list", environ={"COMITY_PORT": "many"})
    assert (wrong.returncode, "COMITY_PORT must be a whole number" in wrong.stderr) == (Exit.SETTINGS, True)


def test_a_role_that_may_not_is_told_so(world: World) -> None:
    """The web process's role owns nothing."""
    answer = run("job", "run", "retention", environ={"COMITY_DATABASE_URL": world.settings.database_url})
    assert (answer.returncode, answer.stderr) == (
        Exit.NO_PERMISSION, "The role in COMITY_DATABASE_URL may not do this: name the owner of the database.\n",
    )  # fmt: skip


def test_a_stopped_service_is_backed_up_and_restored(at_world: Terminal, world: World, tmp_path: Path) -> None:
    """The way after a disaster: a new folder, the backup, and the same database is there."""
    world.flagged()
    file = tmp_path / "comity.backup"
    at_world.done("backup", file)
    with scratch() as home:
        there = {"COMITY_DATA": str(home / "data")}
        done = run("restore", file, "--yes", environ=there)
        assert done.returncode == 0, done.stderr
        assert "Restored" in done.stdout
        again = run("restore", file, "--yes", environ=there)
        assert again.returncode == Exit.CONFLICT
        assert "is not empty and nothing in it is replaced: stop the service, move" in again.stderr
        with embedded.start(home / "data") as servers:
            migrate(servers.owner_url)
            rows = run("queue", "list", "--json", environ=there)
            assert (rows.returncode, rows.stdout.count("\n")) == (0, 1)
            verified = run("restore", file, "--verify", environ=there)
            assert (verified.returncode, "all as backed up" in verified.stdout) == (0, True)
            second = run("backup", tmp_path / "second.backup", environ=there)
            assert f"they are in {home}/data/secrets.json" in second.stdout


def at_a_terminal(words: list[str], environ: Mapping[str, str], answer: str, width: int = 80) -> tuple[int, str]:
    """Run a command at a terminal of this width and answer its question; exit code and what was seen."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execve(
            sys.executable, [sys.executable, "-m", "service", *words],
            {**clean(environ), "TERM": "xterm-256color", "COLUMNS": str(width)},
        )  # fmt: skip
    seen = ""
    answered = False
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 0.5)[0]:
            continue
        try:
            seen += os.read(terminal, 4096).decode(errors="replace")
        except OSError:
            break
        if not answered and "[y/N]" in seen:
            answered = True
            os.write(terminal, f"{answer}\n".encode())
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen


@pytest.mark.parametrize(
    ("answer", "code", "live"), [("n", Exit.NOTHING, True), ("", Exit.NOTHING, True), ("y", 0, False)]
)
def test_a_person_is_asked(at_world: Terminal, world: World, answer: str, code: int, live: bool) -> None:
    """And only a yes is one."""
    key = at_world.done("key", "list", "--json").rows[0]["id"]
    ended, seen = at_a_terminal(["key", "revoke", key], {"COMITY_DATABASE_URL": world.owner_url}, answer)
    assert (ended, "Go on? [y/N]" in seen) == (code, True)
    assert at_world.done("key", "list", "--json").rows[0]["live"] is live


@pytest.mark.parametrize("width", [80, 120])
def test_tables_fit_the_terminal(world: World, width: int) -> None:
    """No line is longer, and ids stay whole."""
    made = world.flagged(body="score:spam=0.8 " + "a long text " * 30)
    ended, seen = at_a_terminal(["queue", "list"], {"COMITY_DATABASE_URL": world.owner_url}, "", width)
    assert ended == 0
    lines = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line) for line in seen.splitlines()]
    assert max(len(line) for line in lines) <= width
    assert any(made["id"] in line for line in lines)


def test_nothing_is_coloured_where_nobody_wants_it(world: World) -> None:
    """At a terminal lines have colours; with NO_COLOR, and in a pipe, none."""
    there = {"COMITY_DATABASE_URL": world.owner_url, "COMITY_PORT": "1"}
    _, coloured = at_a_terminal(["doctor"], there, "")
    assert "\x1b[32m" in coloured or "\x1b[3" in coloured
    _, plain = at_a_terminal(["doctor"], {**there, "NO_COLOR": "1"}, "")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", plain)
    assert "\x1b" not in run("doctor", environ=there).stdout


@pytest.mark.parametrize(
    ("words", "at", "expected"),
    [
        ("comity ", "1", {"site", "policy", "doctor", "worker"}),
        ("comity si", "1", {"site"}),
        ("comity policy ro", "2", {"rollback"}),
        ("comity policy import --kind ", "4", {"words", "domains"}),
        ("comity job run ", "3", {"retention", "sum_counters"}),
    ],
)
def test_a_shell_completes(words: str, at: str, expected: set[str]) -> None:
    """As bash asks; rooms are not loaded for names alone."""
    asked = run(environ={"_COMITY_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": at})
    found = {line.partition(",")[2] for line in asked.stdout.splitlines()}
    assert expected <= found, asked


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(shell: str) -> None:
    """The line of the documents."""
    script = run(environ={"_COMITY_COMPLETE": f"{shell}_source"})
    assert (script.returncode, "_COMITY_COMPLETE" in script.stdout) == (0, True)


def test_a_small_process_loads_no_room() -> None:
    """`python -m service worker` becomes the worker without a driver, a model or a schema on its way."""
    code = "import sys; import service.cli; print(sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not [name for name in ("psycopg", "flask", "marshmallow", "numpy", "yaml", "rich") if f"'{name}'" in loaded]


def test_every_room_is_there() -> None:
    """Each name of the table has its module, its help and its own name."""
    context = main.make_context("comity", ["--help"], resilient_parsing=True)
    for name in ROOMS:
        command = main.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.help


def test_comity_is_a_program_of_its_checkout(tmp_path: Path) -> None:
    """From any folder; `make run` puts it beside Python."""
    checkout = tmp_path / "a checkout"
    programs = checkout / ".venv/bin"
    programs.mkdir(parents=True)
    for name in ("service", "classifier", "workers"):
        (checkout / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "tools/comity", programs)
    (programs / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (programs / "python").chmod(0o755)
    asked = subprocess.run(
        [programs / "comity", "job", "--help"],
        cwd=tmp_path,
        env=clean({"PYTHONPATH": ""}),
        capture_output=True,
        text=True,
    )
    assert (asked.returncode, asked.stdout.splitlines()[0]) == (0, "Usage: comity job [OPTIONS] COMMAND [ARGS]...")


def test_the_classifiers_program_gets_its_arguments() -> None:
    """All of them, --help too."""
    assert "--measure" in run("classifier", "evaluate", "--help").stdout
    scored = run("classifier", "score", given='{"id": 7, "text": "hello"}\n')
    assert (scored.returncode, scored.stdout.startswith('{"id": 7, "spam": ')) == (0, True)
    told = run("classifier", "info").stdout
    assert f"{DEFAULT.stat().st_size:,} bytes" in told
    assert '"languages": ["en", ' in run("classifier", "info", "--json").stdout
