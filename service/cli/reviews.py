"""A comment as a moderator sees it at the terminal: addresses masked, with what was decided and why."""

from typing import Any
from uuid import UUID

from classifier import Model, ModelError, load
from service.cli import reach
from service.cli.exits import Stop
from service.cli.show import Column, Screen
from service.domain import text
from service.store import queue, sites
from service.store.comments import NotFound
from service.store.database import Connection
from service.store.queue import Decision, Review
from service.web.api import moderation
from service.web.schemas import DecisionView

DECISIONS = (
    Column("", "seq", right=True),
    Column("when", "at", whole=True),
    Column("by", "by", whole=True),
    Column("became", "to_status"),
    Column("rule", "rule"),
    Column("reason", "reason"),
    Column("note", "note"),
)


def find(connection: Connection, comment_id: UUID) -> Review:
    """The review of a comment of any site. Raises Stop."""
    try:
        return queue.review(connection, comment_id, [site.id for site in sites.sites(connection)])
    except NotFound:
        raise Stop(f"There is no comment {comment_id}.") from None


def show(screen: Screen, review: Review, explained: bool) -> None:
    """All of it. explained: with the words that spoke for and against the label it is held for."""
    data = _view(review, explained)
    if screen.machine:
        screen.data(data)
        return
    parent, thread = data["parent"], data["thread"]
    pairs = [
        ("comment", data["id"]), ("site", data["site"]),
        ("page", thread["title"] or thread["url"] or thread["key"]),
        ("state", data["status"] + (", a verdict is due" if data["waiting"] else "")),
        ("version", data["version"]), ("reason", data["label"]), ("rule", data["rule"]), ("saw", data["saw"]),
        ("came", data["created_at"]), ("name", data["name"]), ("website", data["website"]),
        ("language", data["language"]),
        ("scores", {label: score for label, score in data["scores"].items() if score is not None}),
        ("author so far", data["author"]["comments"]), ("network", data["author"]["network"]),
    ]  # fmt: skip
    if parent:
        pairs.append((f"answers {parent['name']}", parent["body"]))
    screen.record({}, pairs)
    screen.say()
    screen.say(data["body"])
    _show_words(screen, data["spoke"])
    screen.say()
    screen.rows(DECISIONS, data["decisions"], "Nothing was decided yet.")


def _show_words(screen: Screen, spoke: list[dict[str, Any]]) -> None:
    for one in spoke:
        words = [f"{word['text']!r} {word['weight']:+.2f}" for word in (*one["for_"], *one["against"])]
        words += [f"{named['name']} {named['weight']:+.2f}" for named in one["named"]]
        if words:
            screen.say()
            screen.say(f"{one['label']} {one['score']:.3f}: {', '.join(words)}")


def _view(review: Review, explained: bool) -> dict[str, Any]:
    parent = review.parent
    shape = DecisionView()
    return {
        **moderation.item(review.comment),
        "saw": review.comment.saw, "model": review.model, "waiting": review.waiting,
        "thread_closed": review.thread_closed,
        "spoke": moderation.spoke(_model(), review.comment, 1) if explained else [],
        "parent": parent and {
            "id": parent[0], "name": text.mask(parent[1]), "body": text.mask(parent[2]), "status": parent[3],
        },
        "author": {
            "comments": dict(review.author), "since": review.author_since, "domain_class": review.domain_class,
            "verified": review.author_verified, "network": review.author_prefix,
        },
        "decisions": [
            _decision(shape.dump(one), one)
            for one in review.decisions
        ],
    }  # fmt: skip


def _decision(shown: dict[str, Any], one: Decision) -> dict[str, Any]:
    note = one.note and text.mask(one.note)
    return {**shown, "at": one.at, "note": note, "by": f"{one.actor} {one.token_id or ''}".strip()}


def _model() -> Model | None:
    try:
        return load(reach.look_around().settings.model_path)
    except ModelError:
        return None
