"""`comity comment`: one comment, and a moderator's decision on it."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import click

from service import reviewing
from service.cli import reach, reviews, show
from service.cli.asked import Id, checked
from service.cli.exits import Exit, Stop
from service.cli.show import Screen
from service.domain.lifecycle import Action, MoveError
from service.domain.reasons import REVIEW_REASONS
from service.store.comments import Conflict, NotFound
from service.web.schemas import Decided, Review

COMMENT = click.argument("comment_id", type=Id(), metavar="ID")
REASON = click.option("--reason", type=click.Choice([str(one) for one in REVIEW_REASONS]), help="Why.")


@click.group("comment")
def command() -> None:
    """One comment.

    Decisions are a moderator's: they are told to the website, kept on record as made by "cli", and can be undone by
    another one.
    """


@command.command("show")
@COMMENT
@show.screen
def show_one(comment_id: UUID, screen: Screen) -> None:
    """A comment in whatever state, and all that was decided about it. Addresses in its text are masked."""
    with reach.database() as connection:
        review = reviews.find(connection, comment_id)
    reviews.show(screen, review, explained=False)


def _seen(decision: Callable[..., Any]) -> Callable[..., Any]:
    """Arguments and options of every decision."""
    version = click.option("--version", type=click.IntRange(1), help="The version you saw; ends with 3 if it moved on.")
    note = click.option("--note", help="For other moderators only.")
    return COMMENT(version(note(show.screen(decision))))


@command.command("publish")
@_seen
def publish(comment_id: UUID, version: int | None, note: str | None, screen: Screen) -> None:
    """Publish a comment."""
    _decide(comment_id, Action.PUBLISH, None, version, note, screen)


@command.command("reject")
@REASON
@_seen
def reject(comment_id: UUID, reason: str | None, version: int | None, note: str | None, screen: Screen) -> None:
    """Reject a comment."""
    _decide(comment_id, Action.REJECT, reason, version, note, screen)


@command.command("flag")
@REASON
@_seen
def flag(comment_id: UUID, reason: str | None, version: int | None, note: str | None, screen: Screen) -> None:
    """Put a comment into the moderators' queue."""
    _decide(comment_id, Action.FLAG, reason, version, note, screen)


def _decide(
    comment_id: UUID, action: Action, reason: str | None, version: int | None, note: str | None, screen: Screen
) -> None:
    given = checked(Review(), {"action": str(action), "reason": reason, "note": note, "version": version or 1})
    with reach.transaction() as connection:
        try:
            decided = reviewing.decide(
                connection, comment_id, None, version, action, given["reason"], given["note"], reach.BY
            )
        except NotFound:
            raise Stop(f"There is no comment {comment_id}.") from None
        except Conflict as error:
            now = f"{error.state} now, at version {error.version}"
            raise Stop(f"Somebody was first: the comment is {now}. Look again, then decide.", Exit.CONFLICT) from None
        except MoveError as error:
            raise Stop(f"A comment that is {error.state} cannot be decided any more.", Exit.CONFLICT) from None
    data: dict[str, Any] = Decided().dump(decided)
    screen.done(data, f"The comment is {decided.state} now, at version {decided.version}.")
