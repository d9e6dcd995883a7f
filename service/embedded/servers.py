"""Both servers of one data folder, run by hand: for tests and tools. `make run` keeps them with the supervisor."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import psutil

from service.embedded import orphans
from service.embedded.files import Lock, Secrets, explained
from service.embedded.folder import Folder, open_folder, remove_socket_folder, socket_folder
from service.embedded.postgres import Answer, Postgres
from service.embedded.process import Process, forget, spawn
from service.embedded.valkey import Valkey

Say = Callable[[str], None]
_TAIL = 8192  # bytes of a log that may explain an end


def _silent(_line: str) -> None:
    """Progress nobody asked for."""


class Server:
    """One running server: its process, and the question whether it answers."""

    def __init__(self, kind: Postgres | Valkey, folder: Folder, say: Say) -> None:
        self._kind = kind
        self._folder = folder
        self._say = say
        self._child: subprocess.Popen[bytes] | None = None
        self._process: Process = kind.process()
        self.log = folder.log / f"{kind.name}.log"

    @property
    def pid(self) -> int:
        """Of the server's first process. Raises RuntimeError if it was never started."""
        if self._child is None:
            raise RuntimeError(f"{self._kind.name} was not started")
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def launch(self) -> None:
        """Start it and return at once."""
        self._process.before(self._last_words())
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        try:
            self._child = spawn(self._process, log, self._folder.run)
        finally:
            os.close(log)

    def start(self) -> None:
        """Start it and wait until it answers. Raises ServerDied, DiskFull."""
        self.launch()
        self.wait()

    def wait(self) -> None:
        """Wait until it answers: without limit while it lives, for a recovery may take any time.

        One that ends is started again, twice; its `before` may have cleared the cause.
        """
        for again in (True, True, False):
            try:
                return wait_for(self._kind, lambda: self.running, self._say)
            except NotRunning:
                if not again:
                    raise self._process.died(self._last_words()) from None
                self.launch()
        return None

    def stop(self) -> None:
        """Stop in order."""
        self._end(self._process.stop_signal, self._process.grace)

    def stop_immediate(self) -> None:
        """PostgreSQL's immediate shutdown; for Valkey the same as `kill`."""
        self._end(self._process.hurry_signal, 20.0)

    def kill(self) -> None:
        """SIGKILL to its first process alone, as a crash would have it."""
        self._end(signal.SIGKILL, 20.0)

    def pause(self) -> None:
        """Freeze it with all its children: connections stay open and nobody answers."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `pause`."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: int) -> None:
        first = psutil.Process(self.pid)
        for process in (first, *first.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def _end(self, number: int, seconds: float) -> None:
        if self._child is None:
            return
        self._send(number)
        self._send(signal.SIGCONT)
        try:
            self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self._send(signal.SIGKILL)
            self._child.wait()
        forget(self._kind.name, self._folder.run)

    def _send(self, number: int) -> None:
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(number)

    def _last_words(self) -> str:
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - _TAIL))
                return log.read().decode(errors="replace")
        except FileNotFoundError:
            return ""


class NotRunning(Exception):
    """Raised when a server ended before it answered."""


def wait_for(kind: Postgres | Valkey, running: Callable[[], bool], say: Say) -> None:
    """Ask until it answers, with a line of progress each second. Raises NotRunning."""
    began = time.monotonic()
    told = 0
    while not (answer := kind.ask()).ready:
        if not running():
            raise NotRunning
        seconds = int(time.monotonic() - began)
        if seconds > told:
            told = seconds
            say(progress_line(kind.title, answer, seconds))
        time.sleep(0.1 if answer.recovering else 0.02)


def progress_line(title: str, answer: Answer, seconds: int) -> str:
    """For example "PostgreSQL: recovering, 12 s"."""
    return f"{title}: {'recovering' if answer.recovering else answer.words}, {seconds} s"


class Servers:
    """PostgreSQL and Valkey of one data folder, answering. `stop` when done, or use as a context manager."""

    def __init__(
        self, folder: Folder, lock: Lock, secrets: Secrets, postgres: Postgres, valkey: Valkey, say: Say
    ) -> None:
        self._folder = folder
        self._lock = lock
        self.secrets = secrets
        self.postgres = Server(postgres, folder, say)
        self.valkey = Server(valkey, folder, say)
        self.owner_url = postgres.owner_url
        self.superuser_url = postgres.superuser_url
        self.broker_url = valkey.broker_url
        self.broker_socket_url = valkey.socket_url
        self.broker_command = valkey.command

    def role_url(self, role: str, password: str) -> str:
        """The URL of another role in database `comity`."""
        host = self.owner_url.rpartition("@")[2]
        return f"postgresql://{role}:{password}@{host}"

    def stop(self) -> None:
        """Valkey, then PostgreSQL, in order."""
        self.valkey.stop()
        self.postgres.stop()
        self._leave()

    def kill(self) -> None:
        """SIGKILL to both, as a power cut would have it; the next `start` recovers."""
        self.valkey.kill()
        self.postgres.kill()
        self._leave()

    def _leave(self) -> None:
        remove_socket_folder(self._folder)
        self._lock.release()

    def __enter__(self) -> "Servers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(data: Path, progress: Say = _silent) -> Servers:
    """Start both servers side by side in `data` and wait until they answer.

    As root the servers run as another user, who must be able to reach `data`. Its own permissions are seen to; the
    folders above are not touched, so pytest's `tmp_path` will not do. Raises StartError in its kinds.
    """
    folder = open_folder(data)
    with explained(data):
        lock = Lock(folder.data / "lock")
    try:
        return _start(folder, lock, progress)
    except BaseException:
        lock.release()
        raise


def _start(folder: Folder, lock: Lock, say: Say) -> Servers:
    with explained(folder.data):
        orphans.stop(folder.data, say)
        secrets = Secrets(folder.data / "secrets.json")
        sockets = socket_folder(folder)
        postgres, valkey = Postgres(folder, secrets, sockets), Valkey(folder, secrets, sockets)
        postgres.prepare(say)
        valkey.prepare()
    servers = Servers(folder, lock, secrets, postgres, valkey, say)
    try:
        servers.postgres.launch()
        servers.valkey.launch()
        servers.valkey.wait()
        servers.postgres.wait()
    except BaseException:
        servers.valkey.kill()
        servers.postgres.stop_immediate()
        raise
    return servers
