"""`comity token`: what opens the API to admins and moderators."""

import click

from service.cli import confirm, reach, show, tokens, user
from service.cli.show import Column, Screen
from service.store import sites

KINDS = ("admin", "moderator")


@click.group("token")
def command() -> None:
    """Admins' and moderators' tokens. The first admin token of a service is made here."""


@command.command("list")
@click.option("--kind", type=click.Choice(KINDS), help="Of this kind alone.")
@show.screen
def list_tokens(kind: str | None, screen: Screen) -> None:
    """All tokens but the sites' keys, ended ones included."""
    with reach.database() as connection:
        rows = [
            tokens.view(connection, token) for one in KINDS if kind in (None, one)
            for token in sites.tokens(connection, one)
        ]  # fmt: skip
    columns = (
        tokens.COLUMNS[0], Column("kind", "kind", whole=True), tokens.COLUMNS[1], tokens.RIGHTS, *tokens.COLUMNS[2:],
    )  # fmt: skip
    screen.rows(columns, rows, "There is no token yet: make the first with `comity token add NAME --admin`.")


@command.command("add")
@click.argument("name")
@click.option("--admin", is_flag=True, help="It may do everything that the API has for admins.")
@user.RIGHTS
@user.EVERYWHERE
@tokens.days
@show.screen
def add(
    name: str,
    admin: bool,
    rights: tuple[tuple[str, str], ...],
    everywhere: str | None,
    days: int | None,
    screen: Screen,
) -> None:
    """Make a token and show it, this once: an admin's with --admin, a moderator's with its rights."""
    if admin and (rights or everywhere):
        raise click.UsageError("An admin's token may everything: leave --right and --everywhere out.")
    with reach.transaction() as connection:
        if admin:
            made, secret = sites.add_admin(connection, tokens.named(name), tokens.lasting(days))
            seen = tokens.view(connection, made)
        else:
            seen, secret = user.make(connection, name, rights, everywhere, days)
    tokens.shown_once(screen, seen, secret)


@command.command("revoke")
@click.argument("token_id", metavar="ID")
@confirm.yes
@show.screen
def revoke(token_id: str, yes: bool, screen: Screen) -> None:
    """End a token now."""
    with reach.database() as connection:
        token = tokens.found(connection, token_id, KINDS, "comity token list")
        last = token.kind == "admin" and _is_last(token.id, sites.tokens(connection, "admin"))
        more = " It is the last live admin token; only this command line can make another." if last else ""
        confirm.ask(f"The {token.kind}'s token {token.id} ({token.name}) will end for good.{more}", yes)
        tokens.revoke(connection, screen, token)


def _is_last(token_id: str, admins: list[sites.Token]) -> bool:
    return [one.id for one in admins if not (one.revoked or one.expired)] == [token_id]
