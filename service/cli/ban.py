"""`comity ban`: from whom a site takes no comments."""

import sys
from datetime import datetime
from typing import Any
from uuid import UUID

import click

from service.cli import confirm, reach, show
from service.cli.asked import Id, Moment, checked
from service.cli.exits import Exit, Stop
from service.cli.key import site_option
from service.cli.reach import Place
from service.cli.show import Column, Screen
from service.domain.contact import Indexer
from service.store import bans, contacts
from service.store.bans import WHATS, Ban
from service.store.comments import NotFound
from service.store.database import Connection
from service.store.sites import Site
from service.web.fields import show_time
from service.web.policy_schemas import NewBan

COLUMNS = (
    Column("id", "id", whole=True),
    Column("whom", "label"),
    Column("why", "reason"),
    Column("until", "until", whole=True),
    Column("state", "state", whole=True),
)


@click.group("ban")
def command() -> None:
    """From whom a site takes no comments. Whom a ban means is kept as a keyed index alone, never as an address."""


@command.command("list")
@site_option()
@click.option("--all", "every", is_flag=True, help="Ended ones too.")
@show.screen
def list_bans(site: str | None, every: bool, screen: Screen) -> None:
    """A site's bans, newest first."""
    with reach.database() as connection:
        found = reach.site_of(connection, site)
        rows = [_view(one) for one in bans.listed(connection, found.id) if every or not one.ended]
    screen.rows(COLUMNS, rows, f"Site {found.name} bans nobody.")


@command.command("add", context_settings={"allow_extra_args": True})
@click.option("--comment", "comment_id", type=Id(), help="Whoever wrote this comment; see --what.")
@click.option("--what", type=click.Choice(WHATS), help="Of the comment: author (the default), domain or network.")
@click.option("--email", is_flag=True, help="An address; it is asked for, or read from standard input.")
@click.option("--domain", help="A domain of addresses; not those below it.")
@click.option("--network", help="A network prefix: IPv4 /8 to /24, IPv6 /16 to /48.")
@click.option("--reason", required=True, help="Why, for whoever looks at the list.")
@click.option("--until", type=Moment(ahead=True), help="It ends then: 2026-12-31T00:00:00Z, or 30d; without: never.")
@site_option()
@show.screen
@click.pass_context
def add(
    context: click.Context, comment_id: UUID | None, what: str | None, email: bool, domain: str | None,
    network: str | None, reason: str, until: datetime | None, site: str | None, screen: Screen,
) -> None:  # fmt: skip
    """Ban by a comment, an address, a domain or a network: name one of the four.

    An address is never an argument, so that no shell remembers it: it is asked for, or read from standard input.
    """
    if context.args:
        raise click.UsageError("An address is never an argument: give --email alone, and the address when asked.")
    given: dict[str, Any] = {
        "comment_id": comment_id and str(comment_id), "what": what, "email": _address() if email else None,
        "domain": domain, "network": network, "reason": reason, "until": until and show_time(until),
    }  # fmt: skip
    asked = checked(NewBan(), {name: value for name, value in given.items() if value is not None})
    place = reach.find()
    with reach.database(place) as connection:
        found = reach.site_of(connection, site)
        ban_id = _make(connection, place, found, asked)
        made = next(ban for ban in bans.listed(connection, found.id) if ban.id == ban_id)
    when = f" until {made.until:%Y-%m-%d %H:%M}" if made.until else ""
    screen.done(_view(made), f"Site {found.name} takes nothing from {made.label}{when}: ban {made.id}.")


@command.command("lift")
@click.argument("ban_id", type=Id(), metavar="ID")
@site_option()
@confirm.yes
@show.screen
def lift(ban_id: UUID, site: str | None, yes: bool, screen: Screen) -> None:
    """End a ban now; it stays on record."""
    with reach.database() as connection:
        found = reach.site_of(connection, site)
        one = next((ban for ban in bans.listed(connection, found.id) if ban.id == ban_id), None)
        if one is None:
            raise Stop(f"Site {found.name} has no such ban: `comity ban list --all` shows those it has.")
        confirm.ask(f"Site {found.name} will take comments from {one.label} again (banned for: {one.reason}).", yes)
        bans.lift(connection, found.id, ban_id, reach.BY)
        after = next(ban for ban in bans.listed(connection, found.id) if ban.id == ban_id)
    screen.done(_view(after), f"Lifted ban {ban_id}.")


def _address() -> str:
    """From the keyboard, unseen, or from standard input."""
    if sys.stdin.isatty():
        return str(click.prompt("Address", hide_input=True, err=True)).strip()
    return sys.stdin.readline(1000).strip()


def _make(connection: Connection, place: Place, site: Site, asked: dict[str, Any]) -> UUID:
    reason, until = asked["reason"], asked["until"]
    if "comment_id" in asked:
        try:
            return bans.of_comment(connection, site.id, asked["what"], asked["comment_id"], reason, reach.BY, until)
        except NotFound:
            raise Stop("This site has no such comment, or it came without what to ban: name another.") from None
    what, value, label = _whom(connection, place, site, asked)
    return bans.of_value(connection, site.id, what, value, label, reason, reach.BY, until)


def _whom(connection: Connection, place: Place, site: Site, asked: dict[str, Any]) -> tuple[str, bytes | str, str]:
    """What a ban is about, what is kept of it, and how people know it again."""
    if "network" in asked:
        return "network", asked["network"], asked["network"]
    indexer = Indexer(place.index_key())
    known = contacts.fingerprint(connection, "index")
    if known is not None and known != indexer.fingerprint:
        raise Stop(
            "This index key is not the one the database began with, so the ban would mean nobody: set COMITY_INDEX_KEY "
            "to the key it began with.", Exit.SETTINGS,
        )  # fmt: skip
    if "email" in asked:
        return "author", indexer.author_index(asked["email"], site.id), "an address"
    return "domain", indexer.domain_index(asked["domain"], site.id), asked["domain"]


def _view(ban: Ban) -> dict[str, Any]:
    return {
        "id": ban.id, "what": ban.what, "label": ban.label, "reason": ban.reason, "created_by": ban.created_by,
        "created_at": ban.created_at, "until": ban.until, "ended": ban.ended,
        "state": "ended" if ban.ended else "in force",
    }  # fmt: skip
