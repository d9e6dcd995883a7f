"""Small helpers to ask a world and to look at its answers."""

from typing import Any

import psycopg
from werkzeug.test import TestResponse

from service.web.errors import QUOTA_TYPE, TYPES
from tests.world import World

#: Where a submission leaves rows.
TABLES = (
    "comity.comment",
    "comity.thread",
    "contacts.contact",
    "comity.idempotency",
    "comity.outbox",
    "comity.decision",
)


_connections: dict[str, psycopg.Connection[Any]] = {}


def look(world: World, statement: str, *arguments: Any) -> list[Any]:
    """What the database's owner sees, on a connection that stays open: for the many who ask often."""
    if world.owner_url not in _connections:
        _connections[world.owner_url] = psycopg.connect(world.owner_url, autocommit=True)
    return _connections[world.owner_url].execute(statement, arguments or None).fetchall()


def stored(world: World) -> dict[str, int]:
    """How many rows each table holds."""
    counts = ", ".join(f"(SELECT count(*) FROM {table})" for table in TABLES)
    return dict(zip(TABLES, look(world, f"SELECT {counts}")[0], strict=True))


def problem(answer: TestResponse, kind: str, *places: str) -> dict[str, Any]:
    """The problem document of an answer, which must be of this kind and name these places in order."""
    status, title = TYPES[kind]
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    document: dict[str, Any] = answer.get_json(force=True)
    expected = QUOTA_TYPE if kind == "quota-exceeded" else f"/docs/problems#{kind}"
    assert (document["type"], document["title"], document["status"]) == (expected, title, status)
    assert document["instance"] == f"urn:comity:request:{answer.headers['X-Request-Id']}"
    assert len(document["detail"]) > 10
    named = [error.get("pointer", error.get("parameter")) for error in document.get("errors", [])]
    assert [place for place in named if place] == list(places)
    return document


def bodies(answer: TestResponse) -> list[str | None]:
    """The bodies of a public list, in its order."""
    assert answer.status_code == 200, answer.text
    return [comment["body"] for comment in answer.json["comments"]]  # type: ignore[index]
