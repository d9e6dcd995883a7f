"""Which relays came round lately. They have no port that anybody could ask."""

from service.store.database import Connection

EVERY = 2.0  # seconds between two notes of one relay
SILENCE = 15  # seconds without one after which it counts as missing


def note(connection: Connection, process: str) -> None:
    """Say that a process comes round."""
    connection.execute(
        "INSERT INTO comity.presence (process, seen_at) VALUES (%s, now()) "
        "ON CONFLICT (process) DO UPDATE SET seen_at = now()",
        [process],
    )
