"""The private schema, as far as the web process reaches it: a key's fingerprint, and nothing about anybody."""

from service.store.database import Connection


def matches(connection: Connection, name: str, fingerprint: bytes) -> bool:
    """Whether a key is the one this database began with; the first fingerprint under `name` is remembered."""
    row = connection.execute("SELECT contacts.matches(%s, %s)", [name, fingerprint]).fetchone()
    assert row is not None
    return bool(row[0])
