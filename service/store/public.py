"""What every reader may see: published comments, in the words and times the public gets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from service.store import threads
from service.store.database import Connection
from service.store.threads import Thread

MOST_REPLIES = 1000  # comments of a page of trees at most; the rest of a larger tree is read flat


@dataclass(frozen=True, slots=True)
class Shown:
    """One comment as readers see it; a tombstone (removed) keeps only its place."""

    id: UUID
    parent_id: UUID | None
    root_id: UUID
    name: str | None
    body: str | None
    website: str | None
    published_at: datetime | None
    created_at: datetime
    edited: bool
    removed: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Comments of one thread, and the thread as it stood at that moment.

    after: where the next page begins; None on the last. truncated: a tree was too large to be given whole.
    """

    thread: Thread
    comments: Sequence[Shown]
    after: tuple[datetime, UUID] | None
    truncated: bool = False


_SHOWN = """
c.id, c.parent_id, c.root_id,
CASE WHEN c.state = 'published' THEN coalesce(c.shown_name, c.name) END AS name,
CASE WHEN c.state = 'published' THEN coalesce(c.shown_body, c.body) END AS body,
CASE WHEN c.state <> 'published' THEN NULL WHEN c.shown_body IS NULL THEN c.website ELSE c.shown_website END AS website,
c.published_at, c.created_at,
c.edited,
c.state <> 'published' AS removed
"""


def flat(
    connection: Connection, thread_id: UUID, limit: int, after: tuple[datetime, UUID] | None, newest: bool
) -> Page:
    """A page of published comments in order of arrival, `newest` first or last."""
    sign, order = ("<", "DESC") if newest else (">", "ASC")
    beyond = f"AND (c.created_at, c.id) {sign} (%(at)s, %(id)s)" if after else ""
    rows = connection.execute(
        f"""
        SELECT {threads.COLUMNS}, s.*
        FROM comity.thread t LEFT JOIN LATERAL (
            SELECT {_SHOWN} FROM comity.comment c
            WHERE c.thread_id = t.id AND c.state = 'published' {beyond}
            ORDER BY c.created_at {order}, c.id {order} LIMIT %(limit)s
        ) s ON true WHERE t.id = %(thread)s ORDER BY s.created_at {order}, s.id {order}
        """,
        {"thread": thread_id, "limit": limit + 1, **_place(after)},
    ).fetchall()
    comments = [_shown(row) for row in rows if row.id is not None]
    more = len(comments) > limit
    comments = comments[:limit]
    return Page(threads.read(rows[0]), comments, (comments[-1].created_at, comments[-1].id) if more else None)


def trees(
    connection: Connection, thread_id: UUID, limit: int, after: tuple[datetime, UUID] | None, newest: bool
) -> Page:
    """A page of whole trees: first comments in order of arrival, each with all replies that stand, oldest first.

    A removed comment is there, without content, as long as a published one hangs below it.
    """
    sign, order = ("<", "DESC") if newest else (">", "ASC")
    beyond = f"AND (r.created_at, r.root_id) {sign} (%(at)s, %(id)s)" if after else ""
    rows = connection.execute(
        f"""
        WITH roots AS (
            SELECT r.root_id, r.created_at FROM comity.tree r
            WHERE r.thread_id = %(thread)s AND r.published > 0 {beyond}
            ORDER BY r.created_at {order}, r.root_id {order} LIMIT %(limit)s
        ), within AS (SELECT * FROM roots ORDER BY created_at {order}, root_id {order} LIMIT %(limit)s - 1)
        SELECT {threads.COLUMNS}, (SELECT count(*) FROM roots) AS found, s.*
        FROM comity.thread t LEFT JOIN LATERAL (
            SELECT {_SHOWN}, w.created_at AS root_created_at
            FROM within w JOIN comity.comment c ON c.root_id = w.root_id
            WHERE c.state = 'published' OR c.published_at IS NOT NULL
            ORDER BY w.created_at {order}, w.root_id {order}, c.created_at, c.id LIMIT {MOST_REPLIES + 1}
        ) s ON true WHERE t.id = %(thread)s
        ORDER BY s.root_created_at {order}, s.root_id {order}, s.created_at, s.id
        """,
        {"thread": thread_id, "limit": limit + 1, **_place(after)},
    ).fetchall()
    found, more, truncated = _fitting([row for row in rows if row.id is not None], rows[0].found, limit)
    last = (found[-1].root_created_at, found[-1].root_id) if more else None
    comments = _without_bare_tombstones([_shown(row) for row in found])
    return Page(threads.read(rows[0]), comments, last, truncated)


def _fitting(found: Sequence[Any], roots: int, limit: int) -> tuple[Sequence[Any], bool, bool]:
    """The rows that make a page of trees, whether trees follow it, and whether its only tree is cut.

    roots: how many trees there are from here on, `limit` + 1 at most.
    """
    if len(found) <= MOST_REPLIES:
        return found, roots > limit, False
    whole = [row for row in found if row.root_id != found[MOST_REPLIES].root_id]
    if whole:
        return whole, True, False  # the tree that does not fit opens the next page
    return found[:MOST_REPLIES], roots > 1, True


def _without_bare_tombstones(comments: Sequence[Shown]) -> list[Shown]:
    """Only the removed comments that still hold a published one up."""
    held = {comment.parent_id for comment in comments if not comment.removed}
    kept = []
    for comment in reversed(comments):  # replies come after what they answer
        if comment.removed and comment.id not in held:
            continue
        held.add(comment.parent_id)
        kept.append(comment)
    return kept[::-1]


def _place(after: tuple[datetime, UUID] | None) -> dict[str, Any]:
    return {} if after is None else {"at": after[0], "id": after[1]}


def _shown(row: Any) -> Shown:
    return Shown(
        row.id, row.parent_id, row.root_id, row.name, row.body, row.website, row.published_at, row.created_at,
        bool(row.edited), bool(row.removed),
    )  # fmt: skip


def one(connection: Connection, thread_id: UUID, comment_id: UUID) -> Shown | None:
    """A published comment of a thread; None when it is not there for readers."""
    row = connection.execute(
        f"SELECT {_SHOWN} FROM comity.comment c WHERE c.id = %s AND c.thread_id = %s AND c.state = 'published'",
        [comment_id, thread_id],
    ).fetchone()
    return None if row is None else _shown(row)


@dataclass(frozen=True, slots=True)
class Changed:
    """A comment as its website gets it, to keep a copy in step; name, body and website as the public sees them."""

    id: UUID
    thread_id: UUID
    thread_key: str | None
    thread_url: str | None
    parent_id: UUID | None
    state: str
    reason: str | None
    name: str | None
    body: str | None
    website: str | None
    version: int
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None


def changes(
    connection: Connection, site_id: UUID, since: datetime, after: tuple[datetime, UUID] | None, limit: int
) -> list[Changed]:
    """A site's comments changed at or after `since`, in order of change; `after` continues behind that place."""
    beyond = "AND (c.updated_at, c.id) > (%(at)s, %(id)s)" if after else ""
    rows = connection.execute(
        f"""
        SELECT c.id, c.thread_id, t.key, t.url, c.parent_id, c.state, c.reason,
               CASE WHEN c.state = 'published' THEN coalesce(c.shown_name, c.name) END AS name,
               CASE WHEN c.state = 'published' THEN coalesce(c.shown_body, c.body) END AS body,
               CASE WHEN c.state <> 'published' THEN NULL
                    WHEN c.shown_body IS NULL THEN c.website ELSE c.shown_website END AS website,
               c.version, c.created_at, c.updated_at, c.published_at
        FROM comity.comment c JOIN comity.thread t ON t.id = c.thread_id
        WHERE c.site_id = %(site)s AND c.updated_at >= %(since)s {beyond}
        ORDER BY c.updated_at, c.id LIMIT %(limit)s
        """,
        {"site": site_id, "since": since, "limit": limit, **_place(after)},
    ).fetchall()
    return [Changed(*row) for row in rows]


def now(connection: Connection) -> datetime:
    """The database's time: the only clock that counts."""
    row = connection.execute("SELECT now()").fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment
