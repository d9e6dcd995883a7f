"""A statement that runs so often that the driver's own way, made for any statement, costs more than the statement."""

import itertools
import re
import weakref
from collections.abc import Sequence

import psycopg
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from service.store.database import Connection


class Prepared:
    """A statement that takes and gives texts, as PostgreSQL reads and writes them."""

    def __init__(self, name: str, statement: str) -> None:
        """statement: with %s for each parameter, and no other percent sign. name: of its own."""
        numbers = itertools.count(1)
        self._name, self._plain = name.encode(), statement
        self._numbered = re.sub("%s", lambda _: f"${next(numbers)}", statement).encode()
        self._known: weakref.WeakSet[Connection] = weakref.WeakSet()

    def rows(self, connection: Connection, parameters: Sequence[str]) -> list[tuple[str, ...]]:
        """Run it; the rows, a null as an empty text. Raises psycopg.Error as the driver does."""
        if connection.pgconn.transaction_status != TransactionStatus.IDLE or not connection.autocommit:
            found = connection.execute(self._plain, parameters).fetchall()
            return [tuple("" if value is None else str(value) for value in row) for row in found]
        given = [parameter.encode() for parameter in parameters]
        try:
            return self._run(connection, given)
        except psycopg.errors.InvalidSqlStatementName:  # the driver forgets all that is prepared after a rollback
            self._known.discard(connection)
            return self._run(connection, given)

    def _run(self, connection: Connection, parameters: Sequence[bytes]) -> list[tuple[str, ...]]:
        if connection not in self._known:
            _checked(connection, connection.pgconn.prepare(self._name, self._numbered), ExecStatus.COMMAND_OK)
            self._known.add(connection)
        found = connection.pgconn.exec_prepared(self._name, parameters)
        _checked(connection, found, ExecStatus.TUPLES_OK)
        return [
            tuple((found.get_value(row, column) or b"").decode() for column in range(found.nfields))
            for row in range(found.ntuples)
        ]


def _checked(connection: Connection, result: PGresult, wanted: ExecStatus) -> None:
    if result.status == wanted:
        return
    if connection.pgconn.status != ConnStatus.OK:
        raise psycopg.OperationalError("the connection is lost")
    raise psycopg.errors.error_from_result(result)
