"""Connections to PostgreSQL, and the few ways in which they fail."""

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row
from psycopg_pool import ConnectionPool, PoolTimeout

Connection = psycopg.Connection[Any]

_SETTINGS = {
    "web": {"statement_timeout": "5s"},
    "worker": {"statement_timeout": "30s"},
    "relay": {"statement_timeout": "30s"},
    "command": {},
}
_ALWAYS = {
    "search_path": "comity",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "10s",
    "TimeZone": "UTC",
    "synchronous_commit": "on",
}


class Unavailable(Exception):
    """Raised when the database cannot be asked now, or when it is unknown whether a transaction was committed."""


class Busy(Exception):
    """Raised when another transaction held what this one needed for longer than the lock timeout."""


class Forbidden(Exception):
    """Raised when the role that connected may not do what was asked."""


def wanted(process: str) -> dict[str, str]:
    """What a process kind asks of the server for each of its connections: settings as the server shows them."""
    return {**_ALWAYS, **_SETTINGS[process]}


def conninfo(url: str, process: str) -> dict[str, Any]:
    """Connection arguments for a process kind: its time-outs and the schema it works in, told to the server."""
    settings = wanted(process)
    return {
        "conninfo": url,
        "connect_timeout": 3,
        "keepalives_idle": 30,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
        "application_name": f"comity {process} {os.getpid()}",
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
    }


#: SQLSTATEs, or their beginnings: connection exception, insufficient resources, operator intervention (shutdown,
#: crash), I/O error; a session ended for idling in a transaction or for its length; a server that only reads.
_GONE = ("08", "53", "57P", "58", "25P03", "25P04", "25006")
_OURS = (psycopg.ProgrammingError, psycopg.DataError, psycopg.NotSupportedError)
_BUSY = frozenset({"55P03", "40001", "40P01", "57014"})  # lock and statement time-outs, serialisation, deadlock


def _meaning(error: psycopg.Error) -> type[Exception] | None:
    """What a driver's error means to a caller; None for a fault of ours."""
    state = error.sqlstate
    if state is None:  # the driver's own words: also that a server which was stopped said more than it was asked
        return None if isinstance(error, _OURS) else Unavailable
    if state in _BUSY:
        return Busy
    return Unavailable if state.startswith(_GONE) else None


@contextmanager
def single(url: str, process: str) -> Iterator[Connection]:
    """One connection of its own, in autocommit, for a command. Raises Unavailable, Busy or Forbidden as they are meant.

    The owner's statements may take as long as they need.
    """
    try:
        with psycopg.connect(**conninfo(url, process), autocommit=True, row_factory=namedtuple_row) as connection:
            yield connection
    except psycopg.errors.InsufficientPrivilege as error:
        raise Forbidden from error
    except psycopg.Error as error:
        meaning = _meaning(error)
        if meaning is None:
            raise
        raise meaning from error


def _check(connection: Connection) -> None:
    """See that a connection is alive before it is used, as the pool wants it; raises OperationalError.

    A server that ended or hung up has said so: then there is something to read. Nothing to read is the rule, and costs
    a look at the socket instead of a question to the server.
    """
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN | select.POLLRDHUP)
    if poll.poll(0):
        ConnectionPool.check_connection(connection)


@contextmanager
def _let_go(connection: Connection) -> Iterator[None]:
    """Close a connection whose server only reads: the next one may lead to the server that took its place."""
    try:
        yield
    except psycopg.errors.ReadOnlySqlTransaction:
        connection.close()
        raise


class Database:
    """A pool of connections for one process; made after the process forked, never before.

    size: connections at most; two seconds without a free one are an `Unavailable`.
    """

    def __init__(self, url: str, process: str, size: int, *, lasting: int = 1) -> None:
        kwargs = conninfo(url, process)
        self._pool = ConnectionPool(
            kwargs.pop("conninfo"),
            kwargs={**kwargs, "autocommit": True, "row_factory": namedtuple_row},
            min_size=min(lasting, size),
            max_size=size,
            timeout=2.0,
            max_lifetime=1800.0,
            max_idle=120.0,
            reconnect_timeout=5.0,
            check=_check,
            open=False,
            name=process,
        )
        self._pool.open(wait=False)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection in autocommit: each statement is a transaction of its own.

        Raises Unavailable or Busy in place of the driver's errors that mean so.
        """
        try:
            with self._pool.connection() as connection, _let_go(connection):
                yield connection
        except PoolTimeout as error:
            raise Unavailable from error
        except psycopg.Error as error:
            meaning = _meaning(error)
            if meaning is None:
                raise
            raise meaning from error

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection inside one transaction, committed at the end of the block, rolled back by an exception."""
        with self.connection() as connection, connection.transaction():
            yield connection

    def answers(self) -> bool:
        """Whether the database answers now."""
        try:
            with self.connection() as connection:
                connection.execute("SELECT 1")
        except (Unavailable, Busy):
            return False
        return True

    def close(self) -> None:
        """Give all connections back."""
        self._pool.close(timeout=2.0)
