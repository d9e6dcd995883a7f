"""`comity job`: work that needs a clock; relays do it, and so can a person."""

from dataclasses import asdict

import click

from service.cli import reach, show
from service.cli.exits import Exit, Stop
from service.cli.show import Column, Screen
from service.store import jobs

COLUMNS = (
    Column("job", "name", whole=True),
    Column("every", "every", right=True, whole=True),
    Column("last done", "done_at", whole=True),
    Column("next", "next_at", whole=True),
    Column("taken until", "lease_until", whole=True),
)


@click.group("job")
def command() -> None:
    """Work that needs a clock. Relays do it when it is due."""


@command.command("list")
@show.screen
def list_jobs(screen: Screen) -> None:
    """All jobs: how often each is due, when it was done and will be."""
    with reach.database() as connection:
        rows = [asdict(one) for one in jobs.listed(connection)]
    screen.rows(COLUMNS, rows, "There are no jobs.")


@command.command("run")
@click.argument("name", type=click.Choice(list(jobs.JOBS)))
@show.screen
def run(name: str, screen: Screen) -> None:
    """Do the job NAME now, whether it is due or not."""
    with reach.database() as connection:
        if not jobs.take_named(connection, name):
            raise Stop(f"Somebody does {name} at this moment: see `comity job list`.", Exit.BUSY)
        with show.progress(counted=False) as bar:
            task, rows = bar.add_task(f"Doing {name}", total=None), 0
            while not (turn := jobs.JOBS[name](connection)).done:
                jobs.keep(connection, name)
                rows += turn.rows
                bar.update(task, description=f"Doing {name}: {rows:,} rows so far")
            jobs.finish(connection, name)
        done = next(one for one in jobs.listed(connection) if one.name == name)
    screen.done(asdict(done), f"Did {name}; it is due again at {done.next_at:%Y-%m-%d %H:%M:%S}.")
