"""The service in containers, under a name of its own, to be killed, frozen and asked."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.house import free_port, wait_for
from tools.client import Client

ROOT = Path(__file__).resolve().parents[2]
LONG_RUNNING = ("web", "worker", "relay", "postgres", "valkey")
NEEDED = "make test-compose needs Docker with Compose v2.24 or later, and a daemon that answers `docker info`."
#: The main process of a container is the only child of its init.
MAIN = "$(tr -d ' ' </proc/1/task/1/children)"
_PSQL = (
    "PGPASSWORD=$(cat /run/secrets/owner_password) exec psql -h 127.0.0.1 -U comity_owner -d comity -XAt -F '|' "
    "-v ON_ERROR_STOP=1"
)


class CommandFailed(Exception):
    """Raised when a docker command fails; holds what it said."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container as it is now. name: service and number, as `relay-2`."""

    id: str
    name: str
    service: str
    running: bool
    health: str
    restarts: int
    started: str
    exit_code: int


class Stack:
    """One `docker compose` project with secrets, volumes and a port of its own."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="comity-compose-"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = Client(self.url)
        self.project = f"comity-proof-{os.getpid()}"
        limits = dict.fromkeys(("SITE", "AUTHOR", "PREFIX", "VISITOR"), "100000/60")
        self._environ = {
            **{name: value for name, value in os.environ.items() if name not in ("COMITY_PUBLIC_URL", "COMITY_HOST")},
            **{f"COMITY_LIMIT_{name}": value for name, value in limits.items()},
            "COMPOSE_PROJECT_NAME": self.project,
            "COMITY_SECRETS": str(self.folder / "secrets"),
            "COMITY_PORT": str(self.port),
        }

    def close(self) -> None:
        """Take everything down that is ours, volumes and secrets included."""
        self.compose("--profile", "once", "down", "--volumes", "--remove-orphans", "--timeout", "5")
        shutil.rmtree(self.folder)

    def run(self, *words: str, given: str | None = None, seconds: float = 120, folder: Path = ROOT) -> str:
        """What a command prints. Raises CommandFailed."""
        done = subprocess.run(
            words, cwd=folder, env=self._environ, input=given, capture_output=True, text=True, timeout=seconds
        )
        if done.returncode:
            raise CommandFailed(f"{' '.join(words)}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-6000:]}")
        return done.stdout

    def compose(self, *words: str, given: str | None = None, seconds: float = 300) -> str:
        """What `docker compose` prints. Raises CommandFailed."""
        return self.run("docker", "compose", *words, given=given, seconds=seconds)

    def shell(self, lines: str) -> str:
        """What lines of a document print, typed into a shell that knows the project. Raises CommandFailed."""
        self._environ["COMPOSE_FILE"] = str(ROOT / "docker-compose.yml")
        return self.run("sh", "-euc", lines, given="", seconds=300, folder=self.folder)

    def execute(self, container: str, *words: str, given: str | None = None) -> str:
        """What a command in a container prints; `container` is a service or, as `relay-2`, one of several."""
        service, _, number = container.partition("-")
        return self.compose("exec", "-T", "--index", number or "1", service, *words, given=given)

    def python(self, service: str, program: str) -> str:
        """What a Python program prints inside a container of ours."""
        return self.execute(service, "python", "-", given=program).strip()

    def page(self, path: str) -> str:
        """What a browser gets there."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    def secret(self, name: str) -> str:
        """The content of a secret file."""
        return (self.folder / "secrets" / name).read_text().strip()

    def secrets(self) -> list[str]:
        """All secrets by themselves: passwords, not the URLs that hold them."""
        files = ("postgres_password", "owner_password", "valkey_password", "secret_key", "index_key")
        roles: dict[str, str] = json.loads(self.secret("role_passwords"))
        return [*(self.secret(name) for name in files), *roles.values()]

    def rows(self, statement: str) -> list[list[str]]:
        """What the database's owner sees."""
        printed = self.execute("postgres", "sh", "-c", _PSQL, given=f"{statement};\n")
        return [line.split("|") for line in printed.splitlines()]

    def number(self, statement: str) -> int:
        """The one number that a statement gives."""
        return int(self.rows(statement)[0][0])

    def containers(self, *services: str) -> list[Container]:
        """The containers of some services (default: of all that run on), by name."""
        ids = self.compose("ps", "--all", "--quiet", *(services or LONG_RUNNING)).split()
        found = json.loads(self.run("docker", "inspect", *ids)) if ids else []
        return sorted((_container(one) for one in found), key=lambda one: one.name)

    def one(self, name: str) -> Container:
        """The container of that name, as it is now."""
        return next(one for one in self.containers(name.partition("-")[0]) if one.name in (name, f"{name}-1"))

    def inspected(self) -> str:
        """All that Docker tells about the project's containers."""
        return self.run("docker", "inspect", *self.compose("ps", "--all", "--quiet").split())

    def crash(self, name: str) -> None:
        """SIGKILL of everything in a container, from within: its restart policy takes it for a crash, as it is one."""
        before = self.one(name)
        with contextlib.suppress(CommandFailed):  # the shell ends with its container
            self.execute(name, "sh", "-c", "kill -9 -1; sleep 5")
        wait_for(lambda: self.one(name).restarts > before.restarts, 30, f"{name} is started again")

    def signal(self, name: str, signal: str) -> None:
        """Send the main process of a container a signal."""
        self.execute(name, "sh", "-c", f"kill -{signal} {MAIN}")

    def healthy(self, *services: str, seconds: float = 90) -> float:
        """Wait until all containers of the services run and are healthy; the seconds it took."""
        began = time.monotonic()
        wait_slowly(lambda: not self._ailing(services), seconds, f"all healthy, but {self._ailing(services)}")
        return time.monotonic() - began

    def _ailing(self, services: Sequence[str]) -> list[str]:
        return [
            f"{one.name} {one.health}"
            for one in self.containers(*services)
            if not one.running or one.health != "healthy"
        ]

    def becomes(self, name: str, health: str, seconds: float) -> float:
        """Wait until a container's health is that; the seconds it took."""
        began = time.monotonic()
        wait_slowly(lambda: self.one(name).health == health, seconds, f"{name} is {health}")
        return time.monotonic() - began


def wait_slowly(condition: Any, seconds: float, what: str) -> None:
    """As `wait_for`, for questions that cost a command each."""

    def asked() -> bool:
        time.sleep(0.5)
        return bool(condition())

    wait_for(asked, seconds, what)


def _container(told: dict[str, Any]) -> Container:
    labels, state = told["Config"]["Labels"], told["State"]
    service, number = labels["com.docker.compose.service"], labels["com.docker.compose.container-number"]
    return Container(
        id=told["Id"],
        name=f"{service}-{number}",
        service=service,
        running=state["Running"],
        health=state.get("Health", {}).get("Status", ""),
        restarts=told["RestartCount"],
        started=state["StartedAt"],
        exit_code=state["ExitCode"],
    )


def available() -> bool:
    """Whether Docker with Compose is here and its daemon answers."""
    if shutil.which("docker") is None:
        return False
    commands = (["docker", "compose", "version"], ["docker", "info"])
    return all(subprocess.run(words, capture_output=True, timeout=60).returncode == 0 for words in commands)
