"""Windows of rate limits in the database."""

from datetime import UTC, datetime

from service.store import hits
from service.store.database import Database


def test_hits_of_one_window_are_added_up_before_they_are_sent(database: Database) -> None:
    """One statement may change a row once: the same window twice among many is one sum, as are those of later calls."""
    start, later = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    with database.connection() as connection:
        first = hits.add(connection, [(b"b", start, 1), (b"a", start, 2), (b"b", start, 3), (b"b", later, 4)])
        second = hits.add(connection, [(b"b", start, -1)])
    assert first == {(b"a", start): 2, (b"b", start): 4, (b"b", later): 4}
    assert second == {(b"b", start): 3}
