"""What is measured, and where: real PostgreSQL and Valkey in a folder of their own, real processes of the service."""

import base64
import itertools
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from psycopg import sql
from psycopg.rows import namedtuple_row

from service import embedded, setup
from service.keys import Keys
from service.settings import Settings
from service.store import sites
from tools.bench.cost import Meter
from tools.bench.load import LoadError, fetch, request

ROOT = Path(__file__).resolve().parents[2]
THREADS = 6  # of every web server measured here, as `make run` has them
_ROLES = {"comity_web": "w" * 32, "comity_worker": "k" * 32, "comity_relay": "r" * 32}
_SECRETS = {"COMITY_SECRET_KEY": os.urandom(32).hex(), "COMITY_INDEX_KEY": os.urandom(32).hex()}
_MANY = "1000000000/60"
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Site:
    """A site without limits on a database of its own, with the tokens to use it."""

    owner_url: str
    id: UUID
    key: str
    moderator: str


@dataclass(frozen=True, slots=True)
class Process:
    """A running process; `port` where it listens."""

    pid: int
    port: int


class Stage:
    """The servers and processes of one run, all gone at its end."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="comity-bench-"))
        self._folder.chmod(0o711)
        self._servers = embedded.start(self._folder / "data", progress=lambda _: None)
        self._children: list[subprocess.Popen[bytes]] = []
        self._names = itertools.count(1)
        self._log = self._folder / "log"
        setup.roles.ensure(self._servers.owner_url, _ROLES)
        setup.migrations.upgrade(self._servers.owner_url)

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        for child in reversed(self._children):
            child.kill()
            child.wait()
        if kind is not None and self._log.exists():
            lines = self._log.read_text(errors="replace").splitlines()
            sys.stderr.write("\n".join([line for line in lines if '"event": "request"' not in line][-40:]) + "\n")
        self._servers.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def broker_url(self) -> str:
        """The broker."""
        return self._servers.broker_url

    @property
    def folder(self) -> Path:
        """Where files of this run may lie."""
        return self._folder

    def site(self) -> Site:
        """A site on a fresh database."""
        owner_url = self._database(urlsplit(self._servers.owner_url).path[1:])
        limits = {"site": [10**9, 60], "author": [10**9, 60], "prefix": [10**9, 60]}
        with psycopg.connect(owner_url, row_factory=namedtuple_row) as connection:
            site = sites.add_site(connection, "blog", "A blog", ["https://blog.example"], limits)
            _, key = sites.add_site_key(connection, site.id, "bench", ("submit", "read", "manage"), None)
            _, moderator = sites.add_moderator(connection, "bench", {site.id: "moderator"}, None)
        return Site(owner_url, site.id, key, moderator)

    def plain_database(self) -> str:
        """A fresh, empty database for a baseline; its owner's URL."""
        return self._database("template1")

    def _database(self, template: str) -> str:
        name = f"bench_{next(self._names)}"
        with psycopg.connect(self._servers.superuser_url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER comity_owner").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
            for role in _ROLES:
                connection.execute(
                    sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(name), sql.Identifier(role))
                )
        return urlsplit(self._servers.owner_url)._replace(path=f"/{name}").geturl()

    def superuser_url(self, owner_url: str) -> str:
        """The same database, for loading rows without asking what the rows' own door would ask."""
        return urlsplit(self._servers.superuser_url)._replace(path=urlsplit(owner_url).path).geturl()

    def web(self, site: Site, **environ: str) -> Process:
        """The web process of the service, as `make run` starts it but for limits that nobody reaches."""
        port = free_port()
        limits = dict.fromkeys(("COMITY_LIMIT_AUTHOR", "COMITY_LIMIT_SITE", "COMITY_LIMIT_PREFIX"), _MANY)
        settings = {
            "COMITY_PORT": str(port), "COMITY_PUBLIC_URL": f"http://127.0.0.1:{port}", **limits,
            "COMITY_LIMIT_VISITOR": _MANY, "COMITY_WEB_THREADS": str(THREADS), **environ,
        }  # fmt: skip
        child = self.spawn([sys.executable, "-m", "service", "web"], {**self.environment(site, "web"), **settings})
        return self._ready(child, port, "/readyz")

    def baseline(self, name: str, **environ: str) -> Process:
        """A Flask application of `tools.bench.baselines` on the same server with as many threads."""
        port = free_port()
        words = [sys.executable, "-m", "tools.bench.baselines", name, str(port), str(THREADS)]
        return self._ready(self.spawn(words, environ), port, "/")

    def spawn(
        self, words: list[str], environ: Mapping[str, str], stdin: int | None = None, stdout: int | None = None
    ) -> subprocess.Popen[bytes]:
        """A process that ends with the stage; what it says goes to the log."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("COMITY_")}
        with self._log.open("ab") as log:
            child = subprocess.Popen(  # noqa: S603 - our own programs
                words, cwd=ROOT, env={**kept, **environ}, stdin=stdin, stdout=log if stdout is None else stdout,
                stderr=log,
            )  # fmt: skip
        self._children.append(child)
        return child

    def environment(self, site: Site, kind: str) -> dict[str, str]:
        """The settings of a process of the service."""
        public = X25519PrivateKey.from_private_bytes(bytes(range(1, 33))).public_key()
        raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {
            "COMITY_DATABASE_URL": as_role(site.owner_url, f"comity_{kind}"),
            "COMITY_BROKER_URL": self.broker_url,
            "COMITY_CONTACT_PUBLIC_KEY": base64.urlsafe_b64encode(raw).decode().rstrip("="),
            "COMITY_METRICS_PORT": "0",
            **_SECRETS,
        }

    def keys(self, site: Site) -> Keys:
        """The keys with which the service signs its cursors."""
        return Settings.read(self.environment(site, "web"), "web").keys

    def meter(self, **processes: int) -> Meter:
        """CPU time from now on: of these processes, of the database, of this client."""
        return Meter.start({**processes, "database": self._servers.postgres.pid})

    def _ready(self, child: subprocess.Popen[bytes], port: int, path: str) -> Process:
        def answers() -> bool:
            if child.poll() is not None:
                raise LoadError(f"a server ended at its start with {child.returncode}")
            try:
                return fetch(port, request("GET", path, port))[0] == 200
            except (OSError, LoadError):
                return False

        wait_for(answers, "a server answers")
        return Process(child.pid, port)


def as_role(owner_url: str, role: str) -> str:
    """The same database as another role."""
    return re.sub(r"//[^@/]*@", f"//{role}:{_ROLES[role]}@", owner_url)


def free_port() -> int:
    """A port that the kernel says is free."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(condition: Callable[[], bool], what: str, seconds: float = _PATIENCE) -> None:
    """Wait until `condition` holds. Raises LoadError that says what did not."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise LoadError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.02)
