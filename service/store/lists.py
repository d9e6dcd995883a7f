"""Imported lists of words or domains: kept ready to be asked, as service.domain.matching reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from service.domain.matching import Lexicon
from service.store.comments import NotFound
from service.store.database import Connection


@dataclass(frozen=True, slots=True)
class WordList:
    """A list without its content. kind: "words" or "domains". version rises with every import."""

    name: str
    kind: str
    entries: int
    version: int
    created_by: str | None
    updated_at: datetime


def put(connection: Connection, site_id: UUID, name: str, kind: str, lexicon: Lexicon, by: str | None) -> WordList:
    """Make a list, or put another content in place of the one it had."""
    connection.execute(
        "INSERT INTO comity.list AS l (site_id, name, kind, entries, content, created_by) "
        "VALUES (%s, %s, %s, %s, %s, %s) "
        "ON CONFLICT (site_id, name) DO UPDATE SET kind = excluded.kind, entries = excluded.entries, "
        "content = excluded.content, created_by = excluded.created_by, version = l.version + 1, updated_at = now()",
        [site_id, name, kind, len(lexicon), lexicon.dump(), by],
    )
    return next(one for one in listed(connection, site_id) if one.name == name)


def listed(connection: Connection, site_id: UUID) -> list[WordList]:
    """A site's lists by name."""
    rows = connection.execute(
        "SELECT name, kind, entries, version, created_by, updated_at FROM comity.list WHERE site_id = %s ORDER BY name",
        [site_id],
    ).fetchall()
    return [WordList(*row) for row in rows]


def load(connection: Connection, site_id: UUID, name: str) -> tuple[str, Lexicon]:
    """The kind and content of a list. Raises NotFound."""
    row = connection.execute(
        "SELECT kind, content FROM comity.list WHERE site_id = %s AND name = %s", [site_id, name]
    ).fetchone()
    if row is None:
        raise NotFound
    return row.kind, Lexicon.load(row.content)


def remove(connection: Connection, site_id: UUID, name: str) -> None:
    """Forget a list. Raises NotFound."""
    if connection.execute("DELETE FROM comity.list WHERE site_id = %s AND name = %s", [site_id, name]).rowcount == 0:
        raise NotFound


def named_by(document: Mapping[str, Any]) -> set[str]:
    """The lists that a policy's document names."""
    return {name for rule in document.get("rules", ()) for name in rule.get("lists", ())}
