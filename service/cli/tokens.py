"""What keys, tokens and users share: stored tokens, shown once, listed without their secrets, revoked for good."""

from datetime import timedelta
from typing import Any

import click

from service.cli.asked import checked
from service.cli.exits import Stop
from service.cli.show import Column, Screen
from service.store import sites
from service.store.comments import NotFound
from service.store.database import Connection
from service.store.sites import Token
from service.web.schemas import NewKey

EVERYWHERE = "every site"
COLUMNS = (
    Column("id", "id", whole=True),
    Column("name", "name"),
    Column("state", "state", whole=True),
    Column("made", "created_at", whole=True),
    Column("ends", "expires_at", whole=True),
)
RIGHTS = Column("rights", "rights")

days = click.option("--days", type=click.IntRange(1, 3650), help="It ends by itself after so many days.")


def lasting(days: int | None) -> timedelta | None:
    """For how long a token is to live; None for good."""
    return None if days is None else timedelta(days=days)


def named(name: str) -> str:
    """A token's name as the API takes it. Raises click.UsageError."""
    checked_name: str = checked(NewKey(), {"name": name})["name"]
    return checked_name


def view(connection: Connection, token: Token) -> dict[str, Any]:
    """A token without its secret."""
    names = {site.id: site.name for site in sites.sites(connection, [one for one in token.rights if one] or None)}
    rights = {EVERYWHERE if site is None else names[site]: may for site, may in token.rights.items()}
    return {
        "id": token.id, "kind": token.kind, "name": token.name, "scopes": list(token.scopes), "rights": rights,
        "state": "revoked" if token.revoked else "ended" if token.expired else "live",
        "live": not (token.revoked or token.expired), "created_at": token.created_at, "expires_at": token.expires_at,
    }  # fmt: skip


def shown_once(screen: Screen, seen: dict[str, Any], secret: str) -> None:
    """A new token and, for this once, its secret."""
    pairs = [("id", seen["id"]), ("name", seen["name"]), ("may", _may(seen)), ("ends", seen["expires_at"] or "never")]
    screen.record({**seen, "token": secret}, [*pairs, ("token", secret)])
    screen.say()
    screen.say("It is shown this once: only its digest is kept. Put it where it belongs now.")


def _may(seen: dict[str, Any]) -> Any:
    return "everything" if seen["kind"] == "admin" else seen["rights"] or seen["scopes"]


def found(connection: Connection, token_id: str, kinds: tuple[str, ...], where: str) -> Token:
    """The token of this id and one of these kinds. Raises Stop."""
    token = sites.token(connection, token_id)
    if token is None or token.kind not in kinds:
        raise Stop(f"There is no such token: `{where}` shows those there are.")
    return token


def revoke(connection: Connection, screen: Screen, token: Token) -> None:
    """End a token now."""
    try:
        sites.revoke(connection, token.id)
    except NotFound:
        raise Stop("The token is gone already.") from None
    after = found(connection, token.id, (token.kind,), "")
    screen.done(view(connection, after), f"Revoked {token.id} ({token.name}); it stops working within two seconds.")
