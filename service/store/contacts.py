"""The private schema, as far as the web process reaches it: a key's fingerprint, and nothing about anybody."""

from service.store.database import Connection


def matches(connection: Connection, name: str, fingerprint: bytes) -> bool:
    """Whether a key is the one this database began with; the first fingerprint under `name` is remembered."""
    row = connection.execute("SELECT contacts.matches(%s, %s)", [name, fingerprint]).fetchone()
    assert row is not None
    return bool(row[0])


def fingerprint(connection: Connection, name: str) -> bytes | None:
    """The fingerprint this database began with under `name`; None when it has met none. For the owner alone."""
    row = connection.execute("SELECT value FROM contacts.fingerprint WHERE name = %s", [name]).fetchone()
    return None if row is None else bytes(row[0])
