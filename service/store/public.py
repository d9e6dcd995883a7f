"""What every reader may see: published comments, in the words and times the public gets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import tuple_row

from service.store import threads
from service.store.database import Connection
from service.store.threads import Named, Thread

MOST_REPLIES = 1000  # comments of a page of trees at most; the rest of a larger tree is read flat
PUBLISHED_AT = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'  # as `service.web.fields.show_time` writes a time in UTC


class Shown(NamedTuple):
    """One comment as readers see it; a tombstone (removed) keeps only its place.

    Ids and the time of publication are text, as the database writes them: for fifty comments that is a third of the
    time that objects take.
    """

    id: str
    parent_id: str | None
    name: str | None
    body: str | None
    website: str | None
    published_at: str | None
    edited: bool
    removed: bool
    root_id: str
    created_at: datetime

    @property
    def place(self) -> tuple[datetime, UUID]:
        """Where it stands in a list in order of arrival."""
        return self.created_at, UUID(self.id)


@dataclass(frozen=True, slots=True)
class Page:
    """Comments of one thread, and the thread as it stood at that moment.

    after: where the next page begins; None on the last. truncated: a tree was too large to be given whole.
    """

    thread: Thread
    comments: Sequence[Shown]
    after: tuple[datetime, UUID] | None
    truncated: bool = False


def _columns(name: str, body: str, website: str, removed: str) -> str:
    """The fields of `Shown`, of a comment `c`."""
    return f"""
        c.id::text AS id, c.parent_id::text AS parent_id, {name} AS name, {body} AS body, {website} AS website,
        to_char(c.published_at, '{PUBLISHED_AT}') AS published_at, c.edited, {removed} AS removed,
        c.root_id::text AS root_id, c.created_at
        """


#: A comment as readers see it, in any state; while an edit waits for its verdict, as it was before.
_SHOWN = _columns(
    "CASE WHEN c.state = 'published' THEN coalesce(c.shown_name, c.name) END",
    "CASE WHEN c.state = 'published' THEN coalesce(c.shown_body, c.body) END",
    "CASE WHEN c.state <> 'published' THEN NULL WHEN c.shown_body IS NULL THEN c.website ELSE c.shown_website END",
    "c.state <> 'published'",
)
#: A published comment that lies whole in the index `comment_short`, which has the same condition.
_SHORT = (
    "c.shown_body IS NULL "
    "AND octet_length(c.name) + octet_length(c.body) + octet_length(coalesce(c.website, '')) <= 600"
)
_INDEXED = _columns("c.name", "c.body", "c.website", "false")


def flat(
    connection: Connection,
    thread: UUID | Named,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
    newest: bool = False,
) -> Page | None:
    """A page of published comments in order of arrival, `newest` first or last; None without such a thread."""
    sign, order = ("<", "DESC") if newest else (">", "ASC")
    beyond = f"AND (c.created_at, c.id) {sign} (%(at)s, %(id)s)" if after else ""

    def part(columns: str, condition: str) -> str:
        return f"""(
            SELECT {columns} FROM comity.comment c
            WHERE c.thread_id = t.thread_id::uuid AND c.state = 'published' AND {condition} {beyond}
            ORDER BY c.created_at {order}, c.id {order} LIMIT %(limit)s
        )"""

    rows = _rows(
        connection,
        thread,
        f"""
        SELECT * FROM ({part(_INDEXED, _SHORT)} UNION ALL {part(_SHOWN, f"NOT ({_SHORT})")}) u
        ORDER BY u.created_at {order}, {_id("u.id")} {order} LIMIT %(limit)s
        """,
        f"s.created_at {order}, {_id('s.id')} {order}",
        {"limit": limit + 1, **_place(after)},
    )
    if not rows:
        return None
    comments = [_shown(row) for row in rows if row[_ID] is not None]
    more = len(comments) > limit
    comments = comments[:limit]
    return Page(threads.read(rows[0]), comments, comments[-1].place if more else None)


def trees(
    connection: Connection,
    thread: UUID | Named,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
    newest: bool = False,
) -> Page | None:
    """A page of whole trees: first comments in order of arrival, each with all replies that stand, oldest first.

    A removed comment is there, without content, as long as a published one hangs below it. None without such a thread.
    """
    sign, order = ("<", "DESC") if newest else (">", "ASC")
    beyond = f"AND (r.created_at, r.root_id) {sign} (%(at)s, %(id)s)" if after else ""
    rows = _rows(
        connection,
        thread,
        f"""
        WITH roots AS (
            SELECT r.root_id, r.created_at FROM comity.tree r
            WHERE r.thread_id = t.thread_id::uuid AND r.published > 0 {beyond}
            ORDER BY r.created_at {order}, r.root_id {order} LIMIT %(limit)s
        ), within AS (SELECT * FROM roots ORDER BY created_at {order}, root_id {order} LIMIT %(limit)s - 1)
        SELECT {_SHOWN}, w.created_at AS root_created_at, (SELECT count(*) FROM roots) AS found
        FROM within w JOIN comity.comment c ON c.root_id = w.root_id
        WHERE c.state = 'published' OR c.published_at IS NOT NULL
        ORDER BY w.created_at {order}, w.root_id {order}, c.created_at, c.id LIMIT {MOST_REPLIES + 1}
        """,
        f"s.root_created_at {order}, {_id('s.root_id')} {order}, s.created_at, {_id('s.id')}",
        {"limit": limit + 1, **_place(after)},
    )
    if not rows:
        return None
    found, more, truncated = _fitting([row for row in rows if row[_ID] is not None], limit)
    last = (found[-1][_ROOT_AT], UUID(found[-1][_ROOT])) if more else None
    return Page(threads.read(rows[0]), _without_bare_tombstones([_shown(row) for row in found]), last, truncated)


def _rows(
    connection: Connection, thread: UUID | Named, comments: str, order: str, given: dict[str, Any]
) -> list[tuple[Any, ...]]:
    """Rows of a thread and a comment each, of one moment; one row without a comment when the thread has none.

    `comments` selects them, by the thread `t`. What is written of the thread is worked out once.
    """
    condition, named = threads.where(thread)
    statement = f"""
        WITH t AS MATERIALIZED (SELECT {threads.COLUMNS} FROM comity.thread t WHERE {condition})
        SELECT t.*, s.* FROM t LEFT JOIN LATERAL ({comments}) s ON true ORDER BY {order}
        """
    with connection.cursor(binary=True, row_factory=tuple_row) as cursor:
        return cursor.execute(statement, {**given, **named}).fetchall()


def _id(column: str) -> str:
    """An id's text in the order of ids."""
    return f'{column} COLLATE "C"'


_ID = threads.WIDTH
_ROOT = _ID + Shown._fields.index("root_id")
_ROOT_AT = _ID + len(Shown._fields)
_FOUND = _ROOT_AT + 1


def _shown(row: tuple[Any, ...]) -> Shown:
    return Shown._make(row[_ID:_ROOT_AT])


def _fitting(found: Sequence[tuple[Any, ...]], limit: int) -> tuple[Sequence[tuple[Any, ...]], bool, bool]:
    """The rows that make a page of trees, whether trees follow it, and whether its only tree is cut."""
    roots = found[0][_FOUND] if found else 0  # trees there are from here on, `limit` + 1 at most
    if len(found) <= MOST_REPLIES:
        return found, roots > limit, False
    whole = [row for row in found if row[_ROOT] != found[MOST_REPLIES][_ROOT]]
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


def one(connection: Connection, thread_id: UUID, comment_id: UUID) -> Shown | None:
    """A published comment of a thread; None when it is not there for readers."""
    row = connection.execute(
        f"SELECT {_SHOWN} FROM comity.comment c WHERE c.id = %s AND c.thread_id = %s AND c.state = 'published'",
        [comment_id, thread_id],
    ).fetchone()
    return None if row is None else Shown._make(row)


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
