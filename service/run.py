"""What `make run` does once the packages are there: servers, schema, demo site, web, worker and relays, side by side.

Exit codes: 0 stopped as asked · 130 stopped while starting · 65 another major version of PostgreSQL made the data ·
69 port in use · 70 a process did not start · 72 no server program for this platform · 73 the data folder cannot be
used · 74 disk full · 75 runs already · 78 settings wrong. Each comes with one sentence on standard error.

This process lives as long as the service and stays small: whatever needs a database library runs in a child.
"""

import errno
import hmac
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import unquote, urlsplit

from service.embedded import orphans
from service.embedded.errors import PortInUse, StartError
from service.embedded.files import Lock, Secrets, explained, read_own, write_atomically
from service.embedded.folder import Folder, default_data, make_home, open_folder, remove_socket_folder, socket_folder
from service.embedded.journal import Journal
from service.embedded.postgres import Answer, Postgres
from service.embedded.process import Process
from service.embedded.servers import progress_line
from service.embedded.valkey import Valkey
from service.kinds import MODULES
from service.ready import answers_ready, reachable
from service.settings import SETTINGS, Settings, SettingsError
from service.supervisor import EX_CONFIG, Interrupted, Supervisor

INTERRUPTED = 130
ROLES = {"web": "comity_web", "worker": "comity_worker", "relay": "comity_relay"}
_CHECKOUT = Path(__file__).resolve().parent.parent
_KEYS = ("COMITY_SECRET_KEY", "COMITY_INDEX_KEY", "COMITY_CONTACT_PUBLIC_KEY")
#: What a child may know of our environment besides settings.
_PASSED_ON = {"HOME", "LANG", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV"}
_PASSED_PREFIXES = ("LC_", "PYTHON", "SSL_CERT_")
#: Threads of their own cost memory and win nothing for short texts.
_FRUGAL = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2", "PYTHONUNBUFFERED": "1"}

Say = Callable[[str], None]


def run(environ: Mapping[str, str], out: TextIO) -> int:
    """Run everything until a signal asks to stop; the exit code. Progress and places go to `out`."""
    try:
        return _run(environ, Settings.read(environ, "run"), out)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EX_CONFIG
    except StartError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except Interrupted:
        print("Stopped before it was ready.", file=out)
        return INTERRUPTED


def _run(environ: Mapping[str, str], settings: Settings, out: TextIO) -> int:
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:5.1f} s  {text}", file=out, flush=True)

    data = default_data(_CHECKOUT, {"COMITY_DATA": settings.data})
    if not settings.data:
        make_home(data)
    folder = open_folder(data, servers=not (settings.database_url and settings.broker_url))
    with ExitStack() as stack:
        with explained(data):
            lock = stack.enter_context(Lock(folder.data / "lock"))
        stack.callback(remove_socket_folder, folder)
        machine = environ.get("COMITY_LOG") == "json" or not sys.stderr.isatty()
        journal = Journal(folder.log / "comity.jsonl", sys.stderr, machine)
        stack.callback(journal.close)
        supervisor = stack.enter_context(Supervisor(folder.run, journal))
        with explained(data):
            house = House(environ, settings, folder, supervisor, say)
            house.open()
        lock.note(url=house.url)
        seconds = time.monotonic() - began
        journal.event("ready", url=house.url, seconds=round(seconds, 1))
        print(house.places(seconds), file=out, flush=True)
        supervisor.run()
        say("Stopping. Ctrl-C once more hurries.")
    say("Stopped.")
    return 0


@dataclass
class House:
    """The service on this machine: what runs, in which order, and who knows which secret."""

    environ: Mapping[str, str]
    settings: Settings
    folder: Folder
    supervisor: Supervisor
    say: Say
    owner_url: str = field(default="", repr=False)
    broker_url: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        self.secrets = Secrets(self.folder.data / "secrets.json")
        self.private_key = self.folder.data / "contact-private-key"
        self.secrets.move("contact_private_key", self.private_key)  # where it was kept at first
        given = _given(self.environ, "COMITY_PUBLIC_URL")
        self.url = self.settings.public_url if given else local_url(self.settings.host, self.settings.port)

    def open(self) -> None:
        """Start everything and wait until it answers. Raises StartError, Interrupted, OSError."""
        orphans.stop(self.folder.data, self.say)
        self._check_ports()
        self._start_servers()
        self._make_keys()
        self._migrate()
        self._start_service()
        self._write_demo()
        self._wait_for_web()

    def _check_ports(self) -> None:
        check_port(self.settings.host, self.settings.port, "COMITY_PORT")
        if self.settings.metrics_port:
            check_port(self.settings.host, self.settings.metrics_port, "COMITY_METRICS_PORT")

    def _start_servers(self) -> None:
        """PostgreSQL and Valkey side by side, as far as the settings name no others."""
        servers: list[Postgres | Valkey] = []
        if not self.settings.database_url:
            postgres = Postgres(self.folder, self.secrets, socket_folder(self.folder))
            if postgres.prepare(self.say):
                self._demo_file().unlink(missing_ok=True)
            servers.append(postgres)
        if not self.settings.broker_url:
            valkey = Valkey(self.folder, self.secrets, socket_folder(self.folder))
            valkey.prepare()
            servers.append(valkey)
        self.owner_url = self.settings.database_url or postgres.owner_url
        self.broker_url = self.settings.broker_url or valkey.broker_url
        if servers:
            self.say(f"Starting {' and '.join(server.title for server in servers)}.")
        for server in servers:
            self.supervisor.start(server.process(supervised=True))
        for server in servers:
            self.supervisor.wait(server.name, _asking(server.title, server.ask, self.say), every=0.05)

    def _make_keys(self) -> None:
        """Those that nobody gave us, once; without them nothing could be read again."""
        missing = [name for name in _KEYS if name not in self.secrets and not _given(self.environ, name)]
        if not missing:
            return
        # The private key opens every address: the child that makes it puts it into its file, and no process reads it.
        file = [str(self.private_key)] if "COMITY_CONTACT_PUBLIC_KEY" in missing else []
        printed = self.supervisor.once(self._child("keys", {}, arguments=file)).decode()
        pairs = dict(line.split("=", 1) for line in printed.splitlines() if line.startswith("COMITY_"))
        self.secrets.update({name: pairs[name] for name in missing})

    def _migrate(self) -> None:
        """Roles and schema, by a child that has the libraries for it."""
        self.say("Checking the schema.")
        passwords = {role: self._password(role) for role in ROLES.values()}
        child = self._child("migrate", {"COMITY_DATABASE_URL": self.owner_url})
        self.supervisor.once(child, json.dumps(passwords).encode())

    def _password(self, role: str) -> str:
        """Of a role; where the database is the operator's own it follows from the owner's, equal on every machine."""
        owner = _password_in(self.settings.database_url or "")
        if not owner:
            return self.secrets.get(role)
        return hmac.digest(owner.encode(), f"comity role {role}".encode(), sha256).hex()

    def _start_service(self) -> None:
        """Started together, stopped one after the other: web first, the worker last."""
        self.say("Starting worker, relays and web.")
        self.supervisor.start(self._service("worker", "worker"))
        self.supervisor.start(self._service("relay", "relay-1"), self._service("relay", "relay-2"))
        self.supervisor.start(self._service("web", "web"))

    def _write_demo(self) -> None:
        """The demo site is made once; its tokens are shown once, so they go to a file at once."""
        known = read_own(self._demo_file())
        if known is None or self.settings.database_url:
            child = self._child("demo", {"COMITY_DATABASE_URL": self.owner_url})
            # Patient: its answer is all that opens the site it has made.
            known = json.loads(self.supervisor.once(child, patient=True) or "null") or known
        # Otherwise it was made in this very database: a new one removes the file. The address may be another today.
        if known is not None and known.get("url") != self.url:
            write_atomically(self._demo_file(), json.dumps({**known, "url": self.url}, indent=1).encode())

    def _demo_file(self) -> Path:
        home = self.folder.data if self.settings.data else _CHECKOUT / "var"
        home.mkdir(exist_ok=True)
        return home / "demo.json"

    def _wait_for_web(self) -> None:
        host, port, name = self.settings.host, self.settings.port, urlsplit(self.url).netloc

        def ask() -> Answer:
            return Answer(answers_ready(host, port, name), "not ready yet")

        self.supervisor.wait("web", _asking("web", ask, self.say, every=5), every=0.05)

    def _service(self, kind: str, name: str) -> Process:
        url = as_role(self.owner_url, ROLES[kind], self._password(ROLES[kind]))
        return self._child(kind, {"COMITY_DATABASE_URL": url, "COMITY_PROCESS": name}, name)

    def _child(
        self, kind: str, more: Mapping[str, str], name: str | None = None, arguments: Sequence[str] = ()
    ) -> Process:
        """What serves starts at once, without `service.preflight`: its servers are ours, with settings that we gave."""
        env = {**_FRUGAL, **self._harmless(), **self._sensitive(kind), **more}
        words = (MODULES[kind],) if kind in MODULES else ("service", kind)
        return Process(name or kind, (sys.executable, "-m", *words, *arguments), env, cwd=_CHECKOUT)

    def _harmless(self) -> dict[str, str]:
        """All settings that open nothing, and what programs commonly look for."""
        guarded = {"COMITY_PUBLIC_URL", *(setting.name for setting in SETTINGS if setting.needed_by)}
        passed = {
            name: value
            for name, value in self.environ.items()
            if name in _PASSED_ON
            or name.startswith(_PASSED_PREFIXES)
            or (name.startswith("COMITY_") and name.removesuffix("_FILE") not in guarded)
        }
        return {**passed, "COMITY_PUBLIC_URL": self.url}

    def _sensitive(self, kind: str) -> dict[str, str]:
        """Of the settings that open something, those that `kind` cannot do without."""
        needed = [setting.name for setting in SETTINGS if kind in (*setting.needed_by, *setting.handed_to)]
        values: dict[str, str] = {}
        for name in needed:
            if name == "COMITY_BROKER_URL":
                values[name] = self.broker_url
            elif name in _KEYS:
                values.update(_given(self.environ, name) or {name: self.secrets.get(name)})
        return values

    def places(self, seconds: float) -> str:
        """Where everything is, for the person who started it."""
        demo = self._demo_file()
        lines = [
            ("Address", self.url),
            (
                "Demo site",
                f"{demo} has its keys and tokens" if demo.exists() else "made earlier; its tokens were shown once",
            ),
            ("Data", str(self.folder.data)),
            ("Log", str(self.folder.log / "comity.jsonl")),
            ("Stop", "Ctrl-C"),
        ]
        rows = "\n".join(f"  {name:<10}{value}" for name, value in lines)
        return f"\nComity is ready after {seconds:.1f} s.\n\n{rows}\n"


def _given(environ: Mapping[str, str], name: str) -> dict[str, str]:
    """The setting as it was given, by value or by file; empty if it was not."""
    return {key: environ[key] for key in (name, f"{name}_FILE") if environ.get(key)}


def _asking(title: str, ask: Callable[[], Answer], say: Say, every: int = 1) -> Callable[[], bool]:
    """A question to repeat until something is ready; says so each `every` seconds while it is not."""
    began = time.monotonic()
    told = 0

    def ready() -> bool:
        nonlocal told
        answer = ask()
        seconds = int(time.monotonic() - began)
        if not answer.ready and seconds >= told + every:
            told = seconds
            say(progress_line(title, answer, seconds))
        return answer.ready

    return ready


def check_port(host: str, port: int, setting: str) -> None:
    """Raises PortInUse if nobody could listen there."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror:
        raise PortInUse(f"{host} is no address of this machine: change COMITY_HOST.") from None
    trouble = [_bind(family, address) for family, _, _, _, address in found]
    if errno.EADDRINUSE in trouble:
        raise PortInUse(f"Port {port} of {host} is in use: stop the program that listens there, or change {setting}.")
    if errno.EACCES in trouble:
        raise PortInUse(f"Port {port} is for root alone: choose one above 1023 with {setting}.")
    if 0 not in trouble:  # A name may stand for two addresses, one of which this machine does not have.
        raise PortInUse(f"Nobody can listen on {host} ({os.strerror(trouble[0])}): change COMITY_HOST.")


def _bind(family: int, address: Any) -> int:
    """0, or the number of the error."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error.errno or errno.EADDRNOTAVAIL
    return 0


def local_url(host: str, port: int) -> str:
    """For example `http://127.0.0.1:8080`."""
    name = reachable(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def as_role(url: str, role: str, password: str) -> str:
    """`url` with another user and password."""
    scheme, _, rest = url.partition("://")
    place, mark, tail = _split_at(rest, "/?")
    return f"{scheme}://{role}:{password}@{place.rpartition('@')[2]}{mark}{tail}"


def _split_at(text: str, marks: str) -> tuple[str, str, str]:
    for index, letter in enumerate(text):
        if letter in marks:
            return text[:index], letter, text[index + 1 :]
    return text, "", ""


def _password_in(url: str) -> str:
    return unquote(urlsplit(url).password or "")


if __name__ == "__main__":
    sys.exit(run(os.environ, sys.stdout))
