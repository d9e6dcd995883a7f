"""A prepared statement is there whenever it is needed, whatever the driver did meanwhile."""

import psycopg
import pytest

from service.store.database import Database
from service.store.prepared import Prepared
from tests.world import World

ADD = Prepared("test_add", "SELECT %s::integer + 1, NULL::text, %s")


def test_rows_come_as_texts(database: Database) -> None:
    """A null as an empty one, and a percent sign in a value stays what it is."""
    with database.connection() as connection:
        for number in range(3):
            assert ADD.rows(connection, [str(number), "50 % \u00e9"]) == [(str(number + 1), "", "50 % \u00e9")]


def test_it_is_prepared_again_when_the_driver_forgot_everything(database: Database) -> None:
    """As it does after a rollback."""
    with database.connection() as connection:
        assert ADD.rows(connection, ["1", ""]) == [("2", "", "")]
        connection.execute("DEALLOCATE ALL")
        assert ADD.rows(connection, ["2", ""]) == [("3", "", "")]


def test_inside_a_transaction_it_is_part_of_it(database: Database, world: World) -> None:
    """What it did is undone with the rest."""
    add = Prepared("test_key", "INSERT INTO comity.idempotency (site_id, route, key, fingerprint) "
                               "VALUES (%s::uuid, 'r', %s, '') RETURNING key")  # fmt: skip
    with database.connection() as connection, connection.transaction(force_rollback=True):
        assert add.rows(connection, [str(world.site.id), "k"]) == [("k",)]
    assert world.rows("SELECT count(*) FROM comity.idempotency") == [(0,)]
    with database.connection() as connection:
        assert add.rows(connection, [str(world.site.id), "k"]) == [("k",)]
    assert world.rows("SELECT count(*) FROM comity.idempotency") == [(1,)]


def test_errors_are_the_drivers(database: Database) -> None:
    """With their class; the connection is fit for the next question."""
    with database.connection() as connection:
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            ADD.rows(connection, ["one", ""])
        assert ADD.rows(connection, ["1", ""]) == [("2", "", "")]
