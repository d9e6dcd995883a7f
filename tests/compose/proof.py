"""The containers do what `make run` does, are shut in, and lose nothing whichever of them is killed."""

import json
import re
import time
from collections.abc import Iterator

import pytest
from rich.console import Console
from rich.table import Table

from service.version import VERSION
from tests import history
from tests.compose.load import Load
from tests.compose.stack import MAIN, NEEDED, ROOT, CommandFailed, Stack, available, wait_slowly
from tests.test_containers import SERVICES

pytestmark = pytest.mark.timeout(900)
IMAGE = f"comity:{VERSION}"
MEGABYTE = 1_000_000
NETWORKS = {"front": False, "outside": False, "database": True, "broker": True}
EVERYWHERE = ("web", "worker", "relay-1", "relay-2", "postgres", "valkey")
_figures: list[tuple[str, str]] = []


def _note(what: str, figure: str) -> None:
    _figures.append((what, figure))


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A fresh clone's start: secrets, build, up; everything taken down at the end, and the figures printed."""
    if not available():
        pytest.exit(NEEDED, returncode=69)
    made = Stack()
    try:
        made.run("docker/make-secrets", seconds=900)
        began = time.monotonic()
        made.compose("build", seconds=900)
        _note("build, after that of make-secrets", f"{time.monotonic() - began:.1f} s")
        began = time.monotonic()
        made.compose("up", "--build", "--wait", seconds=300)
        _note("up --build --wait, empty volumes", f"{time.monotonic() - began:.1f} s")
        yield made
    finally:
        made.close()
        _print()


def _print() -> None:
    table = Table("what", "figure", title="Containers")
    for row in _figures:
        table.add_row(*row)
    Console(width=100).print(table)


@pytest.fixture(scope="module")
def demo(stack: Stack) -> dict[str, str]:
    """The demo site's tokens."""
    printed = stack.compose("run", "--rm", "-T", "demo")
    tokens: dict[str, str] = json.loads(printed)
    assert json.loads(stack.compose("run", "--rm", "-T", "demo")) is None  # they are shown once
    return tokens


def _settle(stack: Stack) -> float:
    """Wait until nothing is pending; the seconds it took."""
    began = time.monotonic()
    pending = "SELECT count(*) FROM comity.comment WHERE state = 'pending'"
    wait_slowly(lambda: stack.number(pending) == 0, 60, "nothing is pending")
    return time.monotonic() - began


def _account(stack: Stack, load: Load) -> None:
    """Every comment that was answered with 202 is there once and decided once, and no other came of the retries."""
    assert load.trouble.keys() <= {"no answer", "503"}, load.trouble
    _settle(stack)
    there = [row[0] for row in stack.rows(f"SELECT id FROM comity.comment WHERE created_at >= '{load.began}'")]
    assert sorted(there) == sorted(load.taken.values())
    assert stack.number("SELECT count(*) FROM comity.comment") == stack.number(
        "SELECT count(*) FROM comity.decision WHERE actor = 'policy'"
    )
    history.check(stack.rows)


def _load(stack: Stack, demo: dict[str, str]) -> Load:
    return Load(stack.client, demo["secret_key"], stack.rows("SELECT now()")[0][0])


def test_it_serves_what_make_run_serves(stack: Stack, demo: dict[str, str]) -> None:
    """Pages, API and its reference answer; a comment is taken in, decided, and seen by everybody."""
    for path in ("/", "/docs", "/queue"):
        assert stack.page(path).startswith("<!doctype html>"), path
    assert stack.client.must("GET", "/v1/openapi.json")["info"]["version"] == VERSION
    comment = {"thread": {"key": "hello"}, "name": "Ann", "email": "canary-1@leak.example", "body": "A good article."}
    made = stack.client.must("POST", "/v1/comments", demo["secret_key"], comment)
    wait_slowly(
        lambda: stack.client.must("GET", f"/v1/comments/{made['id']}", made["status_token"])["status"] != "pending",
        10,
        "the comment is decided",
    )
    shown = stack.client.must("GET", "/v1/comments?site=demo&thread_key=hello")
    assert [one["body"] for one in shown["comments"]] == ["A good article."]
    assert "A good article." in stack.page("/thread?site=demo&thread_key=hello")
    assert stack.client.must("GET", "/v1/moderators", demo["admin_token"])


def test_the_image_is_small_and_bare(stack: Stack) -> None:
    """Under 400 MB, Python 3.13, labelled with its version; no pip, no program that changes its user."""
    image = json.loads(stack.run("docker", "image", "inspect", IMAGE))[0]
    _note("image", f"{image['Size'] / MEGABYTE:.0f} MB")
    assert image["Size"] < 400 * MEGABYTE
    assert image["Config"]["Labels"]["org.opencontainers.image.version"] == VERSION
    assert image["Config"]["User"] == "10001:10001"
    python = stack.python("web", "import sys; print(*sys.version_info[:2], sep='.')")
    _note("Python in it", python)
    assert python == "3.13"
    assert stack.python("web", "import importlib.util; print(importlib.util.find_spec('pip'))") == "None"
    assert stack.execute("web", "sh", "-c", "find /usr /opt /srv -xdev -type f -perm /6000") == ""


@pytest.mark.parametrize("name", EVERYWHERE)
def test_every_container_is_shut_in(stack: Stack, name: str) -> None:
    """Its processes are not root, have no capability and can get none; nothing in the image can be written."""
    status = stack.execute(name, "sh", "-c", f"cat /proc/{MAIN}/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert "0" not in fields["Uid"].split()
    assert {fields[kind] for kind in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")} == {"0" * 16}
    assert fields["NoNewPrivs"].strip() == "1"
    for folder in ("/", "/etc", "/usr/bin", *(["/srv/comity/service"] if name[0] in "wr" else [])):
        with pytest.raises(CommandFailed, match=r"Read-only|Permission denied"):
            stack.execute(name, "sh", "-c", f": >{folder}/x")
    with pytest.raises(CommandFailed, match="Read-only"):
        stack.run("docker", "exec", "-u", "0", stack.one(name).id, "sh", "-c", ": >/x")  # not even root


def test_secrets_are_where_they_belong(stack: Stack) -> None:
    """Each container sees the files of its own; no secret stands in a container's settings or process list."""
    for name in EVERYWHERE:
        seen = stack.execute(name, "ls", "/run/secrets").split()
        assert set(seen) == set(SERVICES[name.partition("-")[0]]["secrets"])
        environment = stack.execute(name, "sh", "-c", "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'")
        assert [secret for secret in stack.secrets() if secret in environment] == []
    told = stack.inspected()
    assert [secret for secret in stack.secrets() if secret in told] == []


_ASK = """
import os, psycopg
url = open(os.environ["COMITY_DATABASE_URL_FILE"]).read().strip()
try:
    with psycopg.connect(url{change}) as connection:
        print(connection.execute({statement!r}).fetchone()[0])
except psycopg.Error as error:
    print(type(error).__name__, error.sqlstate)
"""


def _ask(stack: Stack, service: str, statement: str, change: str = "") -> str:
    return stack.python(service, _ASK.format(statement=statement, change=change))


def test_every_role_keeps_to_itself(stack: Stack) -> None:
    """Each service is its own role; none reads addresses, the worker reads no tokens, nobody is the superuser."""
    superuser = stack.secret("postgres_password")
    for service in ("web", "worker", "relay"):
        assert _ask(stack, service, "SELECT current_user") == f"comity_{service}"
        assert _ask(stack, service, "SELECT count(*) FROM contacts.contact") == "InsufficientPrivilege 42501"
        assert _ask(stack, service, "DELETE FROM comity.decision") == "InsufficientPrivilege 42501"
        assert _ask(stack, service, "SELECT 1", ", password='wrong'").startswith("OperationalError")
        assert _ask(stack, service, "SELECT 1", f", user='postgres', password={superuser!r}").startswith("Operational")
    assert _ask(stack, "worker", "SELECT count(*) FROM comity.token") == "InsufficientPrivilege 42501"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fsync", "on"), ("full_page_writes", "on"), ("synchronous_commit", "on"), ("data_checksums", "on"),
        ("log_error_verbosity", "terse"), ("log_parameter_max_length", "0"),
        ("log_parameter_max_length_on_error", "0"), ("log_statement", "none"), ("password_encryption", "scram-sha-256"),
        ("server_version_num", "18"),
    ],
)  # fmt: skip
def test_the_database_is_durable_and_silent(stack: Stack, name: str, value: str) -> None:
    """Settings in force, as the server tells them."""
    assert stack.rows(f"SHOW {name}")[0][0].startswith(value)


def test_the_database_asks_everybody_for_a_password(stack: Stack) -> None:
    """No line of the rules in force trusts anybody; letters of all languages fold."""
    with pytest.raises(CommandFailed, match="no password supplied"):
        stack.execute("postgres", "sh", "-c", "psql -w -U postgres -d postgres -c 'SELECT 1'")
    assert stack.rows("SELECT lower('ÄÖÜ ΑΒΓ')") == [["äöü αβγ"]]


def test_the_broker_knows_one_user(stack: Stack) -> None:
    """Nobody gets in without the password, and whoever has it may neither configure nor empty the store."""
    with_password = "REDISCLI_AUTH=$(cat /run/secrets/valkey_password) valkey-cli --user comity"
    assert "PONG" in stack.execute("valkey", "sh", "-c", f"{with_password} ping")
    for words in ("valkey-cli ping", f"{with_password} config get maxmemory-policy", f"{with_password} flushall"):
        said = stack.execute("valkey", "sh", "-c", f"{words} 2>&1 || true")
        assert re.search(r"NOAUTH|Authentication required|NOPERM|[Nn]o permissions", said), said


def test_one_port_is_open_and_only_here(stack: Stack) -> None:
    """Web's, on 127.0.0.1; servers and workers have no way out of their networks, relays have one."""
    ports = {
        one["Config"]["Labels"]["com.docker.compose.service"]: [
            (bound["HostIp"], bound["HostPort"])
            for bindings in one["NetworkSettings"]["Ports"].values()
            for bound in bindings or ()
        ]
        for one in json.loads(stack.inspected())
    }
    assert {name: found for name, found in ports.items() if found} == {"web": [("127.0.0.1", str(stack.port))]}
    networks = json.loads(stack.run("docker", "network", "inspect", *(f"{stack.project}_{name}" for name in NETWORKS)))
    assert {one["Name"].rpartition("_")[2]: one["Internal"] for one in networks} == NETWORKS


def test_nothing_is_lost_whichever_is_killed(stack: Stack, demo: dict[str, str]) -> None:
    """Every container is killed in turn under a steady load, and started again by itself."""
    with _load(stack, demo) as load:
        for name in EVERYWHERE:
            stack.crash(name)
            back = stack.healthy()
            _note(f"{name} killed", f"healthy after {back:.0f} s; longest wait for a 202 {load.longest_since():.1f} s")
    _account(stack, load)
    _note("comments under kills, retried for", f"{len(load.taken):,}; {dict(load.trouble)}")


def test_nothing_is_lost_whichever_is_restarted(stack: Stack, demo: dict[str, str]) -> None:
    """Every service is restarted in turn under a steady load; each stops by itself, none has to be killed."""
    with _load(stack, demo) as load:
        for service in ("web", "worker", "relay", "postgres", "valkey"):
            began = time.monotonic()
            stack.compose("stop", service)
            stopped = time.monotonic() - began
            assert {one.exit_code for one in stack.containers(service)} <= {0, 130, 143}, service
            stack.compose("start", service)
            stack.healthy()
            figures = f"stopped in {stopped:.1f} s; longest wait for a 202 {load.longest_since():.1f} s"
            _note(f"{service} restarted", figures)
    _account(stack, load)
    _note("comments under restarts, retried for", f"{len(load.taken):,}; {dict(load.trouble)}")


def test_workers_can_be_added(stack: Stack, demo: dict[str, str]) -> None:
    """`--scale worker=3` gives three workers, and each of them claims."""
    claimed = "SELECT count(DISTINCT split_part(process, ':', 2)) FROM comity.pulse WHERE process LIKE 'worker:%'"
    with _load(stack, demo) as load:
        stack.compose("up", "--wait", "--no-recreate", "--scale", "worker=3")
        assert len(stack.containers("worker")) == 3
        recent = f"{claimed} AND claimed_at > now() - interval '10 seconds'"
        wait_slowly(lambda: stack.number(recent) == 3, 30, "three workers claim")
    _account(stack, load)
    _note("comments while workers became three", f"{len(load.taken):,}; {dict(load.trouble)}")
    stack.compose("up", "--wait", "--no-recreate", "--scale", "worker=1")


@pytest.mark.parametrize("name", ["worker", "relay-1"])
def test_a_frozen_process_is_unhealthy(stack: Stack, name: str) -> None:
    """It exists and does nothing, which its health check sees."""
    stack.signal(name, "STOP")
    try:
        _note(f"{name} frozen", f"unhealthy after {stack.becomes(name, 'unhealthy', 90):.0f} s")
    finally:
        stack.signal(name, "CONT")
    stack.healthy()


def test_a_service_without_its_database_is_unhealthy(stack: Stack) -> None:
    """Web, worker and relays all say so, and recover by themselves."""
    stack.compose("stop", "postgres")
    try:
        for name in ("web", "worker", "relay-1", "relay-2"):
            stack.becomes(name, "unhealthy", 90)
    finally:
        stack.compose("start", "postgres")
    _note("database gone and back", f"all healthy after {stack.healthy():.0f} s")


def test_no_log_holds_an_address_or_a_secret(stack: Stack) -> None:
    """What all containers said through all of the above: no e-mail address, no body, no password, no token."""
    logs = stack.compose("logs", "--no-color")
    assert len(logs) > 100_000
    assert re.findall(r"[\w.+-]+@[\w-]+\.[\w.-]+", logs) == []
    assert "Thank you for this article" not in logs
    assert [secret for secret in stack.secrets() if secret in logs] == []
    assert not re.search(r"comity_(sk|mod|adm|st)_\w+", logs)
    _note("log lines without an address", f"{logs.count(chr(10)):,}")


def test_data_outlive_their_containers(stack: Stack, demo: dict[str, str]) -> None:
    """`down` and `up` keep every comment and every token; secrets are never made twice."""
    before = stack.number("SELECT count(*) FROM comity.comment")
    stack.compose("down")
    began = time.monotonic()
    stack.compose("up", "--wait")
    _note("up --wait with data", f"{time.monotonic() - began:.1f} s")
    assert stack.number("SELECT count(*) FROM comity.comment") == before
    assert stack.client.must("GET", "/v1/moderators", demo["admin_token"])
    with pytest.raises(CommandFailed, match="is there already"):
        stack.run("docker/make-secrets")


def _commands(section: str) -> list[str]:
    """The shell lines that docs/operator/containers.md shows in a section."""
    text = (ROOT / "docs/operator/containers.md").read_text(encoding="utf-8")
    return re.findall(r"```sh\n(.*?)```", text.partition(f"## {section}\n")[2].partition("\n## ")[0], re.DOTALL)


def test_a_release_goes_back(stack: Stack, demo: dict[str, str]) -> None:
    """With a schema of a later release, what the document says starts this one, and it works."""
    was = stack.rows("SELECT version_num FROM public.comity_version")[0][0]
    stack.rows("UPDATE public.comity_version SET version_num = '9999'")
    try:
        with _load(stack, demo) as load:
            stack.shell(_commands("Upgrade and roll back")[1].replace("--build", "--force-recreate"))
        _account(stack, load)
        stack.compose("up", "--wait")  # its `migrate` leaves the schema as it is
        assert stack.rows("SELECT version_num FROM public.comity_version") == [["9999"]]
    finally:
        stack.rows(f"UPDATE public.comity_version SET version_num = '{was}'")
    figures = f"{len(load.taken):,}; {dict(load.trouble)}; longest wait for a 202 {load.longest_since():.1f} s"
    _note("comments while all was replaced", figures)


def test_a_dump_comes_back(stack: Stack, demo: dict[str, str]) -> None:
    """What the document says makes a dump of a running service, and a service of the dump."""
    dump, restore = _commands("Back up")
    before = stack.number("SELECT count(*) FROM comity.comment")
    stack.shell(dump)
    stack.compose("down", "--volumes")
    stack.shell(restore)
    stack.healthy()
    assert stack.number("SELECT count(*) FROM comity.comment") == before
    history.check(stack.rows)
    with _load(stack, demo) as load:
        wait_slowly(lambda: len(load.taken) > 20, 30, "comments are taken in")
    _account(stack, load)
    assert _ask(stack, "web", "SELECT count(*) FROM contacts.contact") == "InsufficientPrivilege 42501"


def test_a_password_is_changed(stack: Stack) -> None:
    """New words in two files, and everything started again: the old password is worth nothing."""
    old, new = json.loads(stack.secret("role_passwords"))["comity_worker"], "0123456789abcdef" * 4
    for name in ("role_passwords", "worker_database_url"):
        path = stack.folder / "secrets" / name
        path.chmod(0o644)
        path.write_text(path.read_text().replace(old, new))
    stack.compose("up", "--wait", "--force-recreate")
    assert _ask(stack, "worker", "SELECT current_user") == "comity_worker"
    assert _ask(stack, "worker", "SELECT 1", f", password={old!r}").startswith("Operational")
