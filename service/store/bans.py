"""Bans of a site: by author, domain of the address, or network. Whom one means is known to the private schema alone."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.domain.ids import new_id
from service.store.comments import NotFound
from service.store.database import Connection

WHATS = ("author", "domain", "network")


@dataclass(frozen=True, slots=True)
class Ban:
    """A ban as its site's people see it. label: by what they know it again. until: None for good."""

    id: UUID
    what: str
    label: str
    reason: str
    created_by: str | None
    created_at: datetime
    until: datetime | None
    ended: bool


def of_comment(
    connection: Connection, site_id: UUID, what: str, comment_id: UUID, reason: str, by: str | None,
    until: datetime | None,
) -> UUID:  # fmt: skip
    """Ban whoever wrote a comment, their address's domain, or their network. Raises NotFound.

    A comment that came without an author_ip has no network, and is not found.
    """
    ban_id = new_id()
    label = None if what == "network" else f"{what} of comment {comment_id}"
    row = connection.execute(
        "SELECT contacts.ban_of_comment(%s, %s, %s, %s, %s, %s, %s, %s)",
        [ban_id, site_id, what, comment_id, label, reason, by, until],
    ).fetchone()
    if row is None or not row[0]:
        raise NotFound
    return ban_id


def of_value(
    connection: Connection, site_id: UUID, what: str, value: bytes | str, label: str, reason: str, by: str | None,
    until: datetime | None,
) -> UUID:  # fmt: skip
    """Ban the author or domain of this index (16 bytes), or this network (as text)."""
    ban_id = new_id()
    index, prefix = (None, value) if what == "network" else (value, None)
    connection.execute(
        "SELECT contacts.ban_value(%s, %s, %s, %s, %s::text::cidr, %s, %s, %s, %s)",
        [ban_id, site_id, what, index, prefix, label, reason, by, until],
    )
    return ban_id


def listed(connection: Connection, site_id: UUID) -> list[Ban]:
    """A site's bans, newest first, ended ones included."""
    return [Ban(*row) for row in connection.execute("SELECT * FROM contacts.bans(%s)", [site_id]).fetchall()]


def lift(connection: Connection, site_id: UUID, ban_id: UUID, by: str | None) -> None:
    """End a ban now. Raises NotFound; ending it twice changes nothing."""
    row = connection.execute("SELECT contacts.lift_ban(%s, %s, %s)", [site_id, ban_id, by]).fetchone()
    if row is None or not row[0]:
        raise NotFound
