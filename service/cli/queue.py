"""`comity queue`: flagged comments that wait for a moderator."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import click

from service.cli import reach, reviews, show
from service.cli.asked import Id, Moment, checked
from service.cli.show import Column, Screen
from service.domain.reasons import LABELS, Reason
from service.store import queue, sites
from service.store.database import Connection
from service.store.queue import Filter
from service.web.api.moderation import item
from service.web.fields import show_time
from service.web.schemas import QueueQuery

COLUMNS = (
    Column("id", "id", whole=True),
    Column("came", "came", whole=True),
    Column("site", "site"),
    Column("why", "label"),
    Column("name", "name"),
    Column("text", "start"),
)
START = 60  # characters of a text in a list


class Band(click.ParamType[Any]):
    """LABEL:LOW-HIGH."""

    name = "label:low-high"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Fails for what is written otherwise."""
        if isinstance(value, tuple):
            return value
        label, _, band = str(value).partition(":")
        low, _, high = band.partition("-")
        try:
            found = (label, float(low), float(high))
        except ValueError:
            found = ("", 0.0, 0.0)
        if found[0] not in LABELS or not 0 <= found[1] <= found[2] <= 1:
            self.fail(f"{value!r} must be LABEL:LOW-HIGH, such as toxicity:0.5-0.9.", param, ctx)
        return found


@click.group("queue")
def command() -> None:
    """Comments that wait for a moderator."""


@command.command("list")
@click.option("--site", help="One site instead of all.")
@click.option("--label", type=click.Choice([str(one) for one in Reason]), help="Why it is held.", metavar="LABEL")
@click.option("--score", type=Band(), help="A band of a label's score, such as toxicity:0.5-0.9.")
@click.option("--thread", type=Id(), help="A thread's id.")
@click.option("--older-than", type=Moment(), help="Came before: a time, or an age such as 2d.")
@click.option("--newer-than", type=Moment(), help="Came after: a time, or an age such as 2h.")
@click.option("--language", help="As the classifier detected it.")
@click.option("--text", help="A piece of name or body.")
@click.option("--newest", is_flag=True, help="The newest first; without: the oldest.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, help="So many at most (50).")
@show.screen
def list_queue(
    site: str | None, label: str | None, score: tuple[str, float, float] | None, thread: UUID | None,
    older_than: datetime | None, newer_than: datetime | None, language: str | None, text: str | None, newest: bool,
    limit: int, screen: Screen,
) -> None:  # fmt: skip
    """Flagged comments, with the filters of GET /v1/queue."""
    query = {
        "label": label, "thread": thread and str(thread), "older_than": older_than and show_time(older_than),
        "newer_than": newer_than and show_time(newer_than), "language": language, "text": text,
    }  # fmt: skip
    given = checked(QueueQuery(), {name: value for name, value in query.items() if value is not None})
    with reach.database() as connection:
        wanted = Filter(
            _sites(connection, site), given.get("label"), score, given.get("thread"), given.get("older_than"),
            given.get("newer_than"), given.get("language"), given.get("text"),
        )  # fmt: skip
        found = queue.flagged(connection, wanted, limit, None, newest)
        count, exact = queue.count(connection, wanted)
    rows = [_row(item(one)) for one in found]
    if screen.machine:
        for row in rows:
            screen.data({name: value for name, value in row.items() if name not in ("start", "came")})
        return
    screen.rows(COLUMNS, rows, "No comment waits here.")
    if rows:
        screen.say()
        screen.say(f"{len(rows):,} of {count:,}{'' if exact else '+'}; `comity queue show ID` shows all of one.")


@command.command("show")
@click.argument("comment_id", type=Id(), metavar="ID")
@show.screen
def show_one(comment_id: UUID, screen: Screen) -> None:
    """All that one needs to judge a comment, with the words that spoke for and against."""
    with reach.database() as connection:
        review = reviews.find(connection, comment_id)
    reviews.show(screen, review, explained=True)


def _sites(connection: Connection, name: str | None) -> Sequence[UUID]:
    if name is not None:
        return [reach.site_of(connection, name).id]
    return [site.id for site in sites.sites(connection)]


def _row(comment: dict[str, Any]) -> dict[str, Any]:
    line = " ".join(comment["body"].split())
    start = line if len(line) <= START else line[: START - 1] + "…"
    return {**comment, "start": start, "came": f"{comment['created_at']:%m-%d %H:%M}"}
