"""`comity user`: the people who moderate. In this release a person is a moderator's token."""

from typing import Any

import click

from service.cli import confirm, reach, show, tokens
from service.cli.asked import Right
from service.cli.show import Screen
from service.store import sites
from service.store.database import Connection
from service.web.schemas import MODERATOR_RIGHTS

RIGHTS = click.option(
    "--right", "rights", multiple=True, type=Right(), help="SITE=viewer, SITE=moderator or SITE=lead; may be repeated."
)
EVERYWHERE = click.option("--everywhere", type=click.Choice(MODERATOR_RIGHTS), help="A right in every site.")


@click.group("user")
def command() -> None:
    """People who moderate.

    In this release a person is a moderator's token: they sign in at /queue with it. Accounts with passwords come later.
    """


@command.command("list")
@show.screen
def list_users(screen: Screen) -> None:
    """All moderators and their rights, ended ones included."""
    with reach.database() as connection:
        rows = [tokens.view(connection, token) for token in sites.tokens(connection, "moderator")]
    columns = (*tokens.COLUMNS[:2], tokens.RIGHTS, *tokens.COLUMNS[2:])
    screen.rows(columns, rows, "There is no moderator yet: make one with `comity user add`.")


@command.command("add")
@click.argument("name")
@RIGHTS
@EVERYWHERE
@tokens.days
@show.screen
def add(
    name: str, rights: tuple[tuple[str, str], ...], everywhere: str | None, days: int | None, screen: Screen
) -> None:
    """Make a moderator and show the token, this once."""
    with reach.transaction() as connection:
        seen, secret = make(connection, name, rights, everywhere, days)
    tokens.shown_once(screen, seen, secret)


@command.command("revoke")
@click.argument("user_id", metavar="ID")
@confirm.yes
@show.screen
def revoke(user_id: str, yes: bool, screen: Screen) -> None:
    """End a moderator's token now. What they decided stays."""
    with reach.database() as connection:
        token = tokens.found(connection, user_id, ("moderator",), "comity user list")
        confirm.ask(f"Moderator {token.id} ({token.name}) will be shut out for good.", yes)
        tokens.revoke(connection, screen, token)


def make(
    connection: Connection, name: str, rights: tuple[tuple[str, str], ...], everywhere: str | None, days: int | None
) -> tuple[dict[str, Any], str]:
    """A moderator's token with these rights, and its secret. Raises click.UsageError when there is no right."""
    if not rights and everywhere is None:
        raise click.UsageError("Say what they may: --right SITE=RIGHT, or --everywhere RIGHT.")
    given = {reach.site_of(connection, site).id: may for site, may in rights}
    wanted = given | ({} if everywhere is None else {None: everywhere})
    made, secret = sites.add_moderator(connection, tokens.named(name), wanted, tokens.lasting(days))
    return tokens.view(connection, made), secret
