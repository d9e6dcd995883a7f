"""PostgreSQL 18 of the wheel: made, configured, started, asked, stopped.

Nothing here trusts `postmaster.pid`: a server counts as ours when it answers a query with our password and names our
folder as its own.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from service.embedded import orphans, programs
from service.embedded.errors import DiskFull, ServerDied, StartError, WrongVersion
from service.embedded.files import Secrets, explain, is_full, sync_folder, write_atomically
from service.embedded.folder import Folder
from service.embedded.process import Process, spawn

SUPERUSER, OWNER, DATABASE = "postgres", "comity_owner", "comity"
_CLEAN = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
_PATIENCE = 10.0  # seconds for one question

_CONF = """\
# Written by Comity at each start: changes here are lost.
data_directory = '{data}'
hba_file = '{hba}'
ident_file = '{ident}'
cluster_name = 'comity'

listen_addresses = ''
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
port = 5432
max_connections = 100
authentication_timeout = 10s
password_encryption = 'scram-sha-256'

# What was committed stays committed, whatever crashes.
fsync = on
full_page_writes = on
synchronous_commit = on
recovery_init_sync_method = {sync}

# A small house: the whole service lives in 450 MB.
shared_buffers = 64MB
effective_cache_size = 256MB
maintenance_work_mem = 32MB
work_mem = 4MB
max_wal_size = 512MB
huge_pages = off
dynamic_shared_memory_type = mmap
jit = off
io_method = sync
max_parallel_workers_per_gather = 0
max_worker_processes = 4

# The queue is a table whose rows change several times each and soon rest for good.
autovacuum_naptime = 15s
autovacuum_max_workers = 2
autovacuum_vacuum_scale_factor = 0.05
autovacuum_vacuum_insert_scale_factor = 0.1
autovacuum_analyze_scale_factor = 0.05

# No value a visitor gave us may appear in a log.
log_destination = 'stderr'
logging_collector = off
log_line_prefix = '[%p] %q%u '
log_error_verbosity = terse
log_min_error_statement = panic
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_statement = 'none'
log_checkpoints = off
log_timezone = 'UTC'
timezone = 'UTC'
lc_messages = 'C'
"""

# One question that proves whose server it is and makes what the first start finds missing.
_QUESTION = f"""\
SHOW data_directory;
SET log_min_messages = panic;
SELECT 'CREATE ROLE {OWNER} LOGIN CREATEROLE PASSWORD ''{{password}}'''
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{OWNER}') \\gexec
SELECT 'CREATE DATABASE {DATABASE} OWNER {OWNER}'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{DATABASE}') \\gexec
SELECT 'REVOKE CONNECT, TEMPORARY ON DATABASE {DATABASE} FROM PUBLIC'
 WHERE has_database_privilege('public', '{DATABASE}', 'CONNECT') \\gexec
"""


@dataclass(frozen=True)
class Answer:
    """What a server said. `ready`: it is ours and takes work; `words`: why not, or the error."""

    ready: bool
    words: str = ""

    @property
    def recovering(self) -> bool:
        """Whether it lives and repeats what its log holds; that may take any time."""
        return any(words in self.words for words in ("starting up", "accepting connections", "recovery mode"))


class Postgres:
    """The embedded PostgreSQL of one data folder. `prepare` before anything else."""

    name, title = "postgres", "PostgreSQL"

    def __init__(self, folder: Folder, secrets: Secrets, sockets: Path) -> None:
        """Raises ProgramMissing, FolderError, OSError."""
        self._folder = folder
        self._programs = programs.postgres(folder)
        self._secrets = secrets
        self._sockets = sockets

    @property
    def owner_url(self) -> str:
        """For migrations: owns database `comity`, may create roles."""
        return self.url(OWNER, self._secrets.get(OWNER))

    @property
    def superuser_url(self) -> str:
        """Stays with the supervisor."""
        return self.url(SUPERUSER, self._secrets.get(SUPERUSER), SUPERUSER)

    def url(self, role: str, password: str, database: str = DATABASE) -> str:
        """The URL of a role; see `socket_url`."""
        return socket_url(role, password, self._sockets, database)

    def prepare(self, say: Callable[[str], None]) -> bool:
        """Make the cluster if there is none (then True), write its settings. Raises WrongVersion, DiskFull."""
        self._secrets.ensure(SUPERUSER, OWNER)
        version = self._folder.postgres / "PG_VERSION"
        if missing := not version.exists():
            say("Making a new database.")
            self._initialise()
        if (major := version.read_text().strip()) != self._programs.major:
            raise WrongVersion(
                f"PostgreSQL {major} made the data folder {self._folder.data}, and this one is {self._programs.major}: "
                "install the version of Comity that made it, or name another folder with COMITY_DATA."
            )
        self._write_settings()
        return missing

    def _initialise(self) -> None:
        """Beside its place, then renamed: a cluster is whole or not there."""
        draft = self._folder.data / "postgres.new"
        shutil.rmtree(draft, ignore_errors=True)
        self._folder.make(draft)
        password = self._folder.conf / "password"
        write_atomically(password, self._secrets.get(SUPERUSER).encode(), durable=False)
        self._folder.give(password)
        try:
            self._run_initdb(draft, password)
        finally:
            password.unlink(missing_ok=True)
        if self._folder.postgres.exists():
            self._folder.postgres.rmdir()  # Only an empty one gets here: a full one has its version.
        draft.rename(self._folder.postgres)
        sync_folder(self._folder.data)

    def _run_initdb(self, draft: Path, password: Path) -> None:
        words = (f"--pgdata={draft}", f"--username={SUPERUSER}", f"--pwfile={password}", "--auth=scram-sha-256")
        locale = ("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
        process = Process(
            name="initdb",
            argv=(str(self._programs.initdb), *words, *locale, "--data-checksums"),
            env=_CLEAN,
            death_signal=signal.SIGKILL,
            account=self._folder.account,
        )
        read, write = os.pipe()
        child = spawn(process, write)
        os.close(write)
        with open(read, errors="replace") as pipe:
            said = pipe.read()
        if child.wait() == 0:
            return
        shutil.rmtree(draft, ignore_errors=True)
        raise self._why(said, "The database could not be made")

    def _write_settings(self) -> None:
        conf = self._folder.conf
        places = {
            "data": self._folder.postgres,
            "hba": conf / "pg_hba.conf",
            "ident": conf / "pg_ident.conf",
            "sockets": self._sockets,
        }
        quoted = {name: str(path).replace("'", "''") for name, path in places.items()}
        self._write("postgresql.conf", _CONF.format(sync=_sync_method(), **quoted))
        self._write("pg_hba.conf", "local all all scram-sha-256\n")
        self._write("pg_ident.conf", "")

    def _write(self, name: str, content: str) -> None:
        try:
            write_atomically(self._folder.conf / name, content.encode(), mode=0o644, durable=False)
        except OSError as error:
            raise explain(error, self._folder.data) from error

    def process(self, supervised: bool = False) -> Process:
        """SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one, which is safe and costs a recovery.

        `supervised`: whoever runs it starts it again. Then it ends after a crash instead of recovering by itself, for
        there it has a race: a recovery that fails at once, as on a full disk, may leave it waiting for ever (18.6).
        """
        again = "off" if supervised else "on"
        conf = self._folder.conf / "postgresql.conf"
        return Process(
            name=self.name,
            argv=(str(self._programs.postgres), "-c", f"config_file={conf}", "-c", f"restart_after_crash={again}"),
            env=_CLEAN,
            stop_signal=signal.SIGINT,
            grace=60.0,
            hurry_signal=signal.SIGQUIT,
            death_signal=signal.SIGINT,
            account=self._folder.account,
            before=self._clear,
            explain=self.died,
            warn=self._folder.warn,
        )

    def _clear(self, _last_words: str) -> None:
        """Make way for a new server: no process of the last one, and none of its lock files.

        PostgreSQL takes whoever has the number in such a file for its predecessor: a stranger, or a dead process that
        nobody has waited for yet. We hold a lock that the kernel keeps, and have just looked who works in the folder.
        """
        orphans.stop_strays(self._folder.postgres)
        for lock in (self._folder.postgres / "postmaster.pid", self._sockets / ".s.PGSQL.5432.lock"):
            lock.unlink(missing_ok=True)

    def ask(self) -> Answer:
        """One connection as superuser over our socket; makes the owner's role and database if they are missing."""
        if not (self._sockets / ".s.PGSQL.5432").exists():
            return Answer(False, "no socket yet")
        try:
            asked = subprocess.run(  # noqa: S603 - the wheel's own program
                [self._programs.psql, "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", SUPERUSER, "-d", "postgres"],
                input=_QUESTION.format(password=self._secrets.get(OWNER)),
                env={**_CLEAN, "PGHOST": str(self._sockets), "PGPASSWORD": self._secrets.get(SUPERUSER)},
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Answer(False, "it does not answer")
        if asked.returncode != 0:
            return Answer(False, _short(asked.stderr))
        return self._check(asked.stdout.strip())

    def _check(self, home: str) -> Answer:
        if os.path.realpath(home) != str(self._folder.postgres.resolve()):
            return Answer(False, f"the server at {self._sockets} works in {home}, not in {self._folder.postgres}")
        return Answer(True)

    def died(self, said: str) -> StartError:
        """The sentence for a server that ended while starting."""
        return self._why(said, "PostgreSQL ended")

    def _why(self, said: str, what: str) -> StartError:
        if is_full(said):
            return DiskFull(
                f"{what}: the disk of {self._folder.data} is full. Make room there, or name another folder with "
                "COMITY_DATA; nothing that was accepted is lost."
            )
        return ServerDied(f"{what}: {_short(said)}")


def socket_url(role: str, password: str, sockets: Path, database: str = DATABASE) -> str:
    """`postgresql://role:password@/database?host=<folder of the socket>`, for libpq and SQLAlchemy alike."""
    return f"postgresql://{role}:{password}@/{database}?host={quote(str(sockets), safe='/')}"


def _sync_method() -> str:
    """How a recovery flushes a thousand files: one call per disk where the kernel reports its errors (0.1 s, not 4)."""
    release = re.match(r"(\d+)\.(\d+)", os.uname().release)
    if os.uname().sysname != "Linux" or release is None:
        return "fsync"
    return "syncfs" if (int(release[1]), int(release[2])) >= (5, 8) else "fsync"


def _short(said: str) -> str:
    """The line that says most: the first fatal one, else the last."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"\b(FATAL|PANIC|ERROR|error):", line)]
    return (telling or lines[-1:] or ["it said nothing"])[0][:300]
