"""Valkey 9 of the wheel: a broker that only rings, so whatever it holds may vanish at any time."""

import hashlib
import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from service.embedded import programs
from service.embedded.errors import DiskFull, ServerDied, StartError
from service.embedded.files import Secrets, explain, is_full, write_atomically
from service.embedded.folder import Folder
from service.embedded.postgres import Answer
from service.embedded.process import Process

USER, ADMIN, SOCKET = "comity", "valkey_admin", "valkey.sock"
_BROKEN = ("Bad file format", "Unexpected end of file", "manifest", "Unrecoverable error reading the append only file")

_CONF = """\
# Written by Comity at each start: changes here are lost.
port 0
unixsocket {socket}
unixsocketperm 700
protected-mode yes
daemonize no
dir {data}
logfile ""
set-proc-title no
appendonly yes
appendfsync everysec
save ""
maxmemory 64mb
maxmemory-policy noeviction
user default off resetpass resetkeys resetchannels -@all
user {user} on #{user_hash} ~* &* -@all {rights}
user {admin} on #{admin_hash} ~* &* +@all
"""

# What Celery's transport uses, no more: no administration, nothing that empties or lists the whole store.
_RIGHTS = "+@read +@write +@connection +@transaction +@pubsub +@scripting -@dangerous -@admin +info"


class Valkey:
    """The embedded Valkey of one data folder. `prepare` before anything else."""

    name, title = "valkey", "Valkey"

    def __init__(self, folder: Folder, secrets: Secrets, sockets: Path) -> None:
        """Raises ProgramMissing, FolderError, OSError."""
        self._folder = folder
        self._program = programs.valkey(folder)
        self._secrets = secrets
        self._socket = sockets / SOCKET

    @property
    def broker_url(self) -> str:
        """For Celery and kombu; `redis.Redis.from_url` takes `socket_url`."""
        return broker_url(self._secrets.get("valkey"), self._socket.parent)

    @property
    def socket_url(self) -> str:
        """The same server and user for redis-py."""
        return self.broker_url.replace("redis+socket://", "unix://", 1)

    def prepare(self) -> None:
        """Write its settings. Raises DiskFull, FolderError."""
        self._secrets.ensure("valkey", ADMIN)
        content = _CONF.format(
            socket=_quoted(self._socket),
            data=_quoted(self._folder.valkey),
            user=USER,
            user_hash=_digest(self._secrets.get("valkey")),
            rights=_RIGHTS,
            admin=ADMIN,
            admin_hash=_digest(self._secrets.get(ADMIN)),
        )
        try:
            write_atomically(self._folder.conf / "valkey.conf", content.encode(), durable=False)
        except OSError as error:
            raise explain(error, self._folder.data) from error

    def process(self, supervised: bool = False) -> Process:  # noqa: ARG002 - the same either way
        """SIGTERM saves and ends it; nothing it holds is worth more than ten seconds."""
        return Process(
            name=self.name,
            # Its settings come on standard input: a path with a "?" in it would be a pattern to Valkey, and one that
            # matches nothing would have it serve the whole machine without a password.
            argv=(str(self._program), "-", "--port", "0"),
            stdin=self._folder.conf / "valkey.conf",
            env={"LC_ALL": "C"},
            grace=10.0,
            death_signal=signal.SIGTERM,
            account=self._folder.account,
            before=self._clear,
            explain=self.died,
            warn=self._folder.warn,
        )

    def _clear(self, last_words: str) -> None:
        """A file it cannot read is of no use to anybody: all of its content rings, and rows ring again."""
        if any(words in last_words for words in _BROKEN):
            shutil.rmtree(self._folder.valkey / "appendonlydir", ignore_errors=True)

    def ask(self) -> Answer:
        """PING with our user's password."""
        try:
            said = self.command("PING", user=USER, password=self._secrets.get("valkey"))
        except OSError as error:
            return Answer(False, error.strerror or str(error))
        return Answer(said == "+PONG", said)

    def command(self, *words: str, user: str = ADMIN, password: str | None = None) -> str:
        """The first line of the answer to one command. Raises OSError if the server is not there."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(5)
            line.connect(str(self._socket))
            with line.makefile("rwb") as stream:
                _say(stream.write, "AUTH", user, password or self._secrets.get(ADMIN))
                _say(stream.write, *words)
                stream.flush()
                first = stream.readline().decode(errors="replace").strip()
                return stream.readline().decode(errors="replace").strip() if first == "+OK" else first

    def died(self, said: str) -> StartError:
        """The sentence for a server that ended while starting."""
        if is_full(said):
            return DiskFull(
                f"Valkey ended: the disk of {self._folder.data} is full. Make room there, or name "
                "another folder with COMITY_DATA; nothing that was accepted is lost."
            )
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        return ServerDied(f"Valkey ended: {(lines or ['it said nothing'])[-1][:300]}")


def broker_url(password: str, sockets: Path) -> str:
    """Of the Valkey whose socket lies in this folder, for Celery and kombu."""
    return f"redis+socket://{USER}:{password}@{quote(str(sockets / SOCKET), safe='/')}"


def _quoted(path: Path) -> str:
    """As Valkey's settings take it, whatever letters are in it."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


def _say(write: Callable[[bytes], object], *words: str) -> None:
    parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
    write(f"*{len(words)}\r\n{''.join(parts)}".encode())
