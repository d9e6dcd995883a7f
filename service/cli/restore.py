"""`comity restore`: a backup read back, or the proof that it could be."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from service import backups, embedded
from service.backups import Contents
from service.cli import confirm, kept, reach, show
from service.cli.exits import Exit, Stop
from service.cli.reach import Place
from service.cli.show import Screen
from service.embedded.errors import StartError
from service.store import dumps
from service.store.database import Forbidden, single
from service.store.revision import newest


@click.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--verify", is_flag=True, help="Restore into a scratch database, compare, and drop it.")
@click.option("--into", metavar="URL", help="Another empty database, as its owner; without: the service's own.")
@confirm.yes
@show.screen
def command(file: Path, verify: bool, into: str | None, yes: bool, screen: Screen) -> None:
    """Read the backup FILE into an empty database, whole or not at all, and compare it with what was written.

    Where `make run` keeps the database: stop the service, put secrets.json into the (new) data folder, and restore; the
    database is started for that and stopped again. With --verify the service may run, and nothing of it changes.
    """
    if verify and into:
        raise click.UsageError("--verify makes a database of its own: leave --into out.")
    with kept.explained(file):
        contents = backups.read(file)
        with _target(into) as place, reach.explained(place):
            if verify:
                _verify(file, contents, place, screen)
            else:
                _restore(file, contents, place, yes, screen)


def _verify(file: Path, contents: Contents, place: Place, screen: Screen) -> None:
    name = f"comity_verify_{secrets.token_hex(4)}"
    try:
        with dumps.scratch(place.superuser_url or place.url, place.url, name) as url:
            found = _read_back(file, contents, url)
    except Forbidden:
        raise Stop(
            "The owner may not make databases: ALTER ROLE ... CREATEDB, or restore into an empty one with --into.",
            Exit.NO_PERMISSION,
        ) from None
    if found:
        raise Stop(f"{file} does not restore to what was backed up: {'; '.join(found)}.", Exit.DATA)
    screen.done(
        kept.view(file, contents) | {"verified": True},
        f"{file} restores: {contents.total:,} rows of {len(contents.rows)} tables, schema {contents.schema}, all as "
        "backed up. The scratch database is gone again.",
    )


def _restore(file: Path, contents: Contents, place: Place, yes: bool, screen: Screen) -> None:
    with single(place.url, "command") as connection:
        if not dumps.is_empty(connection):
            raise Stop(_not_empty(place), Exit.CONFLICT)
    where = dumps.place(place.url)
    confirm.ask(
        f"{file}, made {contents.made_at:%Y-%m-%d %H:%M:%S} by Comity {contents.release}: schema {contents.schema}, "
        f"{contents.total:,} rows of {len(contents.rows)} tables.\nIt is read into the empty {where}.\n"
        f"{kept.keys(place)}", yes,
    )  # fmt: skip
    if found := _read_back(file, contents, place.url):
        raise Stop(f"Restored, but not as it was backed up: {'; '.join(found)}.", Exit.DATA)
    later = (
        "" if contents.schema == newest() else " It is of another release: run `comity migrate`, or `make run`, next."
    )
    screen.done(
        kept.view(file, contents) | {"restored": True},
        f"Restored {contents.total:,} rows of {len(contents.rows)} tables into {where}.{later}",
    )


def _not_empty(place: Place) -> str:
    if place.own_server:
        return "The database is not empty and nothing in it is replaced: name an empty one with --into."
    return (
        f"The database of {place.data} is not empty and nothing in it is replaced: stop the service, move "
        f"{place.data}/postgres away, and restore again."
    )


def _read_back(file: Path, contents: Contents, url: str) -> list[str]:
    """Restore and compare; in what it differs."""
    with show.progress() as bars:
        bar = bars.add_task("Restoring", total=len(contents.rows))
        backups.restore(url, file, contents, lambda table: bars.update(bar, advance=1, description=f"Reading {table}"))
    return backups.differences(url, contents)


@contextmanager
def _target(into: str | None) -> Iterator[Place]:
    """The database to restore into. One that `make run` keeps is started for this while the service is stopped."""
    place = reach.look_around()
    if into is not None:
        own = replace(place.settings, database_url=into)
        yield replace(place, settings=own, url=into, superuser_url="")
        return
    if place.url and (place.own_server or reach.answers(place)):
        yield place
        return
    show.aside(f"Starting the database of {place.data}.")
    try:
        with embedded.start(place.data, show.aside) as servers:
            yield replace(
                place, url=servers.owner_url, superuser_url=servers.superuser_url,
                secrets=reach.secrets_of(place.data),
            )  # fmt: skip
    except StartError as error:
        raise Stop(str(error), Exit.UNAVAILABLE) from None
