"""`comity key`: the secret keys of a site, by which its back end submits comments."""

from functools import partial

import click

from service.cli import confirm, reach, show, tokens
from service.cli.exits import Exit, Stop
from service.cli.show import Column, Screen
from service.store import sites
from service.store.sites import TooManyKeys
from service.web.schemas import SCOPES

COLUMNS = (*tokens.COLUMNS[:2], Column("scopes", "scopes"), *tokens.COLUMNS[2:])
site_option = partial(click.option, "--site", help="The site; not needed where there is only one.")


@click.group("key")
def command() -> None:
    """Secret keys of a site. Two may live at once: make the new one, change the back end, revoke the old one."""


@command.command("list")
@site_option()
@show.screen
def list_keys(site: str | None, screen: Screen) -> None:
    """A site's keys, ended ones included."""
    with reach.database() as connection:
        found = reach.site_of(connection, site)
        rows = [{**tokens.view(connection, key), "site": found.name} for key in sites.site_keys(connection, found.id)]
    screen.rows(COLUMNS, rows, f"Site {found.name} has no key: make one with `comity key add`.")


@command.command("add")
@site_option()
@click.option("--name", default="key", help="By what you know it again.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="What it may; without: everything.")
@tokens.days
@show.screen
def add(site: str | None, name: str, scopes: tuple[str, ...], days: int | None, screen: Screen) -> None:
    """Make a key and show it, this once."""
    with reach.transaction() as connection:
        found = reach.site_of(connection, site)
        try:
            made, secret = sites.add_site_key(
                connection, found.id, tokens.named(name), scopes or SCOPES, tokens.lasting(days)
            )
        except TooManyKeys:
            raise Stop(
                f"Site {found.name} has {sites.LIVE_KEYS} live keys already: revoke one first.", Exit.CONFLICT
            ) from None
        seen = {**tokens.view(connection, made), "site": found.name}
    tokens.shown_once(screen, seen, secret)


@command.command("revoke")
@click.argument("key_id", metavar="ID")
@confirm.yes
@show.screen
def revoke(key_id: str, yes: bool, screen: Screen) -> None:
    """End a key now. The back end that uses it can submit no more."""
    with reach.database() as connection:
        key = tokens.found(connection, key_id, ("secret_key",), "comity key list")
        site = sites.site(connection, key.site_id) if key.site_id else None
        name = site.name if site else ""
        confirm.ask(f"Key {key.id} ({key.name}) of site {name} will end for good.", yes)
        tokens.revoke(connection, screen, key)
