"""`comity site`: websites that embed us."""

from collections.abc import Mapping
from typing import Any

import click

from service.cli import confirm, reach, show
from service.cli.asked import checked
from service.cli.exits import Exit, Stop
from service.cli.show import Column, Screen
from service.store import sites
from service.store.sites import Site, Taken
from service.web import schemas

COLUMNS = (
    Column("site", "name", whole=True),
    Column("title", "title"),
    Column("origins", "origins"),
    Column("made", "created_at", whole=True),
)


WAITING = "pending"  # the limit that is a number: comments that may wait for a verdict


class Limit(click.ParamType[Any]):
    """NAME=COUNT/SECONDS, or NAME=COUNT for what may wait; NAME=default takes the site's own limit away."""

    name = "name=count/seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        """Fails for what is not written so."""
        if isinstance(value, tuple):
            return value
        name, _, quota = str(value).partition("=")
        if quota == "default":
            return name, None
        numbers = quota.split("/")
        if len(numbers) != (1 if name == WAITING else 2) or not all(n.isascii() and n.isdigit() for n in numbers):
            words = f"{value!r} must be NAME=COUNT/SECONDS, such as author=12/60, {WAITING}=COUNT, or NAME=default."
            self.fail(words, param, ctx)
        return name, int(quota) if name == WAITING else [int(n) for n in numbers]


_TITLE = "How people call it."
_ORIGINS = "An origin of its pages, such as https://blog.example; may be given several times."
_LIMITS = (
    "A rate limit in place of the default: site, author or prefix, such as author=12/60; or pending=1000, how many of "
    "its comments may wait for a verdict."
)


@click.group("site")
def command() -> None:
    """Websites that embed us."""


@command.command("list")
@show.screen
def list_sites(screen: Screen) -> None:
    """All sites."""
    with reach.database() as connection:
        rows = [view(site) for site in sites.sites(connection)]
    screen.rows(COLUMNS, rows, "There is no site yet: make one with `comity site add`.")


@command.command("add")
@click.argument("name")
@click.option("--title", required=True, help=_TITLE)
@click.option("--origin", "origins", multiple=True, help=_ORIGINS)
@click.option("--limit", "limits", multiple=True, type=Limit(), help=_LIMITS)
@show.screen
def add(name: str, title: str, origins: tuple[str, ...], limits: tuple[tuple[str, Any], ...], screen: Screen) -> None:
    """Make a site. Its public id is NAME."""
    own = {limit: quota for limit, quota in limits if quota is not None}
    given = checked(schemas.NewSite(), {"name": name, "title": title, "origins": list(origins), "limits": own})
    with reach.database() as connection:
        try:
            made = sites.add_site(connection, given["name"], given["title"], given["origins"], given["limits"])
        except Taken:
            raise Stop(f"There is a site {name!r} already: choose another name.", Exit.CONFLICT) from None
    screen.done(
        view(made), f"Site {made.name} was made. Its back end needs a key: `comity key add --site {made.name}`."
    )


@command.command("show")
@click.argument("name")
@show.screen
def show_site(name: str, screen: Screen) -> None:
    """One site."""
    with reach.database() as connection:
        _show(screen, reach.site_of(connection, name))


@command.command("change")
@click.argument("name")
@click.option("--title", help=_TITLE)
@click.option("--origin", "origins", multiple=True, help=f"{_ORIGINS} They replace those it has.")
@click.option("--limit", "limits", multiple=True, type=Limit(), help=f"{_LIMITS} NAME=default takes one away.")
@confirm.yes
@show.screen
def change(
    name: str, title: str | None, origins: tuple[str, ...], limits: tuple[tuple[str, Any], ...], yes: bool,
    screen: Screen,
) -> None:  # fmt: skip
    """Change a site's title, origins or limits; what is not named stays. Asks where an origin would go."""
    if title is None and not origins and not limits:
        raise click.UsageError("Say what to change: --title, --origin or --limit.")

    def asked(site: Site) -> dict[str, Any]:
        wanted = {"title": title, "origins": list(origins) or None, "limits": _limits(site.limits, limits)}
        return checked(schemas.SiteChange(), {key: value for key, value in wanted.items() if value is not None})

    with reach.database() as connection:
        site = reach.site_of(connection, name)
        after = asked(site).get("origins", site.origins)
        if gone := [origin for origin in site.origins if origin not in after]:
            confirm.ask(f"Pages of {', '.join(gone)} will read and send no comments of site {site.name} any more.", yes)
        with connection.transaction():
            given = asked(reach.site_of(connection, name))  # its limits as they are now
            changed = sites.change_site(connection, name, given.get("title"), given.get("origins"), given.get("limits"))
    _show(screen, changed)


def _limits(before: Mapping[str, Any], changes: tuple[tuple[str, Any], ...]) -> dict[str, Any] | None:
    if not changes:
        return None
    after = {**before, **dict(changes)}
    return {name: quota for name, quota in after.items() if quota is not None}


def view(site: Site) -> dict[str, Any]:
    """A site as the API shows it."""
    return {
        "name": site.name, "title": site.title, "origins": list(site.origins), "limits": dict(site.limits),
        "created_at": site.created_at,
    }  # fmt: skip


def _show(screen: Screen, site: Site) -> None:
    limits = [f"{name} {_told(limit)}" for name, limit in site.limits.items()]
    shown = [
        ("site", site.name), ("title", site.title), ("origins", list(site.origins)),
        ("limits", limits or "the defaults"), ("made", site.created_at),
    ]  # fmt: skip
    screen.record(view(site), shown)


def _told(limit: Any) -> str:
    return f"{limit:,}" if isinstance(limit, int) else f"{limit[0]:,} in {limit[1]:,} s"
