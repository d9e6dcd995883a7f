"""`comity backup`: the database in a file, by PostgreSQL's own tools."""

from pathlib import Path

import click

from service import backups
from service.cli import kept, reach, show
from service.cli.show import Screen
from service.store import dumps


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@show.screen
def command(file: Path, screen: Screen) -> None:
    """Write the database to FILE, as of one moment, while the service runs.

    Beside it FILE.sha256 holds its checksum and how many rows it has. Keys are not in a backup: without them nobody who
    finds it can open an address. Nothing is ever overwritten.
    """
    place = reach.find()
    with kept.explained(file), reach.database(place) as connection, show.progress() as bars:
        backups.refuse_existing(file)
        bar = bars.add_task("Counting rows", total=len(dumps.tables(connection)))
        contents = backups.write(
            connection, place.url, file, lambda table: bars.update(bar, advance=1, description=f"Writing {table}")
        )
    screen.done(
        kept.view(file, contents) | {"keys": kept.keys(place)},
        f"Wrote {file} ({kept.megabytes(contents.size)}, {contents.total:,} rows of {len(contents.rows)} tables) "
        f"and {backups.checksum_path(file).name}.\n{kept.keys(place)}",
    )
