"""A service of real processes, for tests that hurt it."""

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import psycopg

from service import embedded
from service.store import sites
from tests import history
from tests import world as worlds
from tools.client import Client
from tools.texts import harmless

ROOT = Path(__file__).resolve().parents[2]
ROLES = {"web": "comity_web", "worker": "comity_worker", "relay": "comity_relay"}
_numbers = itertools.count(1)
SCOPES = ("submit", "read", "manage")


class House:
    """PostgreSQL, Valkey, web, worker and relays of one test, each to be killed, frozen and started at will."""

    def __init__(self, data: Path | None = None) -> None:
        """data: where the servers' data lie, if not in a folder of the house's own."""
        self.folder = Path(tempfile.mkdtemp(prefix="comity-faults-"))
        self.folder.chmod(0o711)
        self.servers = embedded.start(data or self.folder / "data", progress=lambda _: None)
        worlds.migrate(self.servers.owner_url)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = Client(self.url)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.log = self.folder / "log"
        with psycopg.connect(self.servers.owner_url, row_factory=psycopg.rows.namedtuple_row) as connection:
            site = sites.add_site(connection, "blog", "A blog", [], {})
            _, self.key = sites.add_site_key(connection, site.id, "key", SCOPES, None)

    def reset(self) -> None:
        """Kill all processes of the service and forget all comments and the log; the servers go on."""
        for name in list(self.processes):
            self.kill(name)
        self.forget()
        self.log.unlink(missing_ok=True)

    def forget(self) -> None:
        """Forget all comments and endpoints; processes go on."""
        with psycopg.connect(self.servers.owner_url, autocommit=True) as connection:
            connection.execute(
                "TRUNCATE comity.comment, comity.thread, comity.tree, comity.decision, comity.outbox, comity.counter, "
                "comity.counter_change, comity.idempotency, comity.pulse, comity.claim, comity.presence, comity.sketch, comity.band, contacts.contact, "
                "comity.delivery, comity.attempt, comity.endpoint, comity.endpoint_secret"
            )
        self.servers.broker_command("FLUSHALL")

    def close(self) -> None:
        """Stop everything and forget it."""
        for name in list(self.processes):
            self.kill(name)
        with contextlib.suppress(psutil.NoSuchProcess):
            self.servers.valkey.resume()
        self.servers.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(
        self,
        name: str,
        kind: str | None = None,
        *,
        wait: bool = True,
        root: Path = ROOT,
        command: Sequence[str] | None = None,
        **environ: str,
    ) -> None:
        """Start a process; `kind` is web, worker or relay (default: the name).

        wait: until a web process is ready. root: the checkout whose code runs. command: what to run as that kind, in
        place of `python -m service KIND`.
        """
        kind = kind or name
        settings = worlds.environment(
            self.servers.owner_url,
            self.servers.broker_url,
            ROLES[kind],
            **{
                "COMITY_PORT": str(self.port),
                "COMITY_PUBLIC_URL": self.url,
                "COMITY_PROCESS": name,
                "COMITY_LIMIT_AUTHOR": "100000/60",
                "COMITY_LIMIT_VISITOR": "100000/60",
                **environ,
            },
        )
        kept = {key: value for key, value in os.environ.items() if not key.startswith("COMITY_")}
        with self.log.open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command or [sys.executable, "-m", "service", kind],
                cwd=root,
                env={**kept, **settings},
                stderr=log,
                stdout=log,
            )
        if kind == "web" and wait:
            url = f"http://127.0.0.1:{settings['COMITY_PORT']}"
            wait_for(lambda: self.answers(url), 60, "the web process answers")

    def answers(self, url: str | None = None) -> bool:
        """Whether the web process is ready; the one of this URL, where there are several."""
        with contextlib.suppress(OSError):
            return (self.client if url is None else Client(url)).request("GET", "/readyz")[0] == 200
        return False

    def stop(self, name: str, seconds: float = 45.0) -> None:
        """Ask a process to end, and see that it does: what it has in hand it finishes."""
        process = self.processes[name]
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        late = process.poll() is None
        self.kill(name)
        assert not late, f"{name} did not end within {seconds} s"

    def kill(self, name: str) -> None:
        """SIGKILL a process and all below it."""
        process = self.processes.pop(name, None)
        if process is None:
            return
        killed = []
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(process.pid).suspend()  # so that it starts nobody while its family is counted
            for one in family(process.pid):
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
                    killed.append(one)
        process.wait()
        # one that still holds the port would take the next one's requests with it
        wait_for(lambda: not any(_lives(one) for one in killed), 10, "what was killed is gone")

    def revive(self, name: str) -> None:
        """Start a process again that has ended, as the supervisor does."""
        if self.processes[name].poll() is not None:
            self.kill(name)
            self.start(name, name.partition("_")[0])

    def children(self, name: str) -> list[psutil.Process]:
        """The processes below a process, as far as they live."""
        return [one for one in psutil.Process(self.processes[name].pid).children(recursive=True) if one.is_running()]

    def send(self, key: str | None = None, **members: Any) -> tuple[int, Any]:
        """POST a comment; status and answer."""
        text = harmless(next(_numbers))
        body = {"thread": {"key": "page"}, "name": "Ann", "email": worlds.canary(), "body": text, **members}
        headers = {"Idempotency-Key": f'"{key}"'} if key else {}
        status, answer, _ = self.client.request("POST", "/v1/comments", self.key, body, headers)
        return status, answer

    def submit(self, count: int = 1, **members: Any) -> list[str]:
        """POST comments that must be taken; their ids."""
        made = []
        for _ in range(count):
            status, answer = self.send(**members)
            assert status == 202, answer
            made.append(answer["id"])
        return made

    def states(self, ids: list[str]) -> dict[str, int]:
        """How many of the comments are in which state."""
        return dict(self.rows("SELECT state, count(*) FROM comity.comment WHERE id = ANY(%s::uuid[]) GROUP BY 1", ids))

    def settled(self, ids: list[str], seconds: float) -> float:
        """Wait until all are decided; the seconds it took. Fails after `seconds`."""
        began = time.monotonic()
        wait_for(lambda: "pending" not in self.states(ids), seconds, f"{len(ids)} comments are decided")
        return time.monotonic() - began

    def rows(self, statement: str, *arguments: Any) -> list[Any]:
        """What the database's owner sees."""
        with psycopg.connect(self.servers.owner_url, autocommit=True) as connection:
            return connection.execute(statement, arguments or None).fetchall()

    def execute(self, statement: str, *arguments: Any) -> None:
        """Change something behind everybody's back, as the owner."""
        with psycopg.connect(self.servers.owner_url, autocommit=True) as connection:
            connection.execute(statement, arguments or None)

    def logged(self, event: str) -> int:
        """How often an event stands in the log."""
        return self.log.read_text(errors="replace").count(f'"event": "{event}"')

    def check_history(self) -> None:
        """What must hold whatever happened: nothing lost, nothing decided twice, the record without a gap."""
        history.check(self.rows)


def family(pid: int) -> list[psutil.Process]:
    """A process and all below it."""
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def free_port() -> int:
    """A port that the kernel says is free."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until `condition` holds; an AssertionError that says what did not, after `seconds`."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"not within {seconds} s: {what}"
        time.sleep(0.02)


@contextlib.contextmanager
def house(**processes: dict[str, str]) -> Iterator[House]:
    """A house with the processes named, each with its environment; closed at the end."""
    made = House()
    try:
        for name, environ in processes.items():
            made.start(name, name.partition("_")[0], **environ)
        yield made
    finally:
        made.close()


STOP, GO = signal.SIGSTOP, signal.SIGCONT
