"""Sessions that were signed out: what a cookie, signed as it is, cannot say by itself."""

from datetime import timedelta

from service.store.database import Connection

#: How long one is remembered: longer than any session lives, and than clocks may differ.
KEPT = timedelta(days=1)


def end(connection: Connection, nonce: bytes) -> None:
    """Remember that a session was signed out; a second time changes nothing."""
    connection.execute(
        "INSERT INTO comity.ended_session (nonce, until) VALUES (%s, now() + %s) ON CONFLICT DO NOTHING", [nonce, KEPT]
    )


def ended(connection: Connection, nonce: bytes) -> bool:
    """Whether a session was signed out."""
    found = connection.execute("SELECT FROM comity.ended_session WHERE nonce = %s", [nonce]).fetchone()
    return found is not None
