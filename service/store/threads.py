"""Threads: looking them up, closing, opening and naming them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from service.domain.urls import origins
from service.store.arrays import array
from service.store.comments import NotFound
from service.store.database import Connection


@dataclass(frozen=True, slots=True)
class Thread:
    """One page's discussion. version rises with every change a reader can see; published counts what is shown."""

    id: UUID
    site_id: UUID
    key: str | None
    url: str | None
    title: str | None
    closed: bool
    published: int
    version: int
    changed_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a public answer on a thread is made from, besides the thread's own content: its version, who may read it."""

    thread_id: UUID
    version: int
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A thread by the page it is of: by the key if there is one, else by the URL."""

    site_id: UUID
    key: str | None
    url: str | None


#: What `read` reads, of a thread `t`: the first columns of a row. Ids and times cost nothing until they are read.
COLUMNS = (
    "t.id::text AS thread_id, t.site_id::text AS thread_site_id, t.key AS thread_key, t.url AS thread_url, "
    "t.title AS thread_title, t.closed_at IS NOT NULL AS thread_closed, t.published AS thread_published, "
    "t.version AS thread_version, (extract(epoch FROM t.changed_at) * 1000000)::bigint AS thread_changed_at, "
    "(extract(epoch FROM t.created_at) * 1000000)::bigint AS thread_created_at"
)
WIDTH = 10  # columns
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def stamps(connection: Connection, ids: Collection[UUID]) -> dict[UUID, Stamp]:
    """The stamps of threads as they are now."""
    rows = connection.execute(
        "SELECT t.id, t.version, s.origins FROM comity.thread t JOIN comity.site s ON s.id = t.site_id "
        "WHERE t.id = ANY(%s::uuid[])",
        [array("uuid", ids)],
    ).fetchall()
    return {row.id: Stamp(row.id, row.version, origins(tuple(row.origins))) for row in rows}


def find(connection: Connection, named: Named) -> Thread | None:
    """The thread of a page; None when nobody commented there."""
    condition, arguments = where(named)
    return _thread(connection.execute(f"SELECT {COLUMNS} FROM comity.thread t WHERE {condition}", arguments).fetchone())


def where(thread: UUID | Named) -> tuple[str, dict[str, Any]]:
    """The condition that a thread `t` is this one, by its id or by its page, and what it refers to."""
    if isinstance(thread, UUID):
        return "t.id = %(thread)s", {"thread": thread}
    column, value = ("key", thread.key) if thread.key is not None else ("url", thread.url)
    return f"t.site_id = %(site)s AND t.{column} = %(page)s", {"site": thread.site_id, "page": value}


def get(connection: Connection, thread_id: UUID, sites: Sequence[UUID] | None) -> Thread:
    """The thread with this id, if it belongs to one of `sites` (None: any). Raises NotFound."""
    found = _thread(
        connection.execute(
            f"SELECT {COLUMNS} FROM comity.thread t WHERE t.id = %s AND (%s::uuid[] IS NULL OR t.site_id = ANY(%s))",
            [thread_id, sites and list(sites), sites and list(sites)],
        ).fetchone()
    )
    if found is None:
        raise NotFound
    return found


def change(connection: Connection, thread: Thread, closed: bool | None, title: str | None) -> Thread:
    """Close or open a thread, and name it; None leaves a thing as it is."""
    connection.execute(
        "UPDATE comity.thread SET title = coalesce(%s, title), "
        "closed_at = CASE WHEN %s::boolean IS NULL THEN closed_at WHEN %s THEN coalesce(closed_at, now()) END, "
        "version = version + 1, changed_at = now() WHERE id = %s",
        [title, closed, closed, thread.id],
    )
    return get(connection, thread.id, None)


def counts(
    connection: Connection, site_id: UUID, keys: Sequence[str], urls: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Published comments by thread key and by URL, 0 for a page without a thread; nothing is made."""
    found = connection.execute(
        "SELECT key, url, published FROM comity.thread WHERE site_id = %s AND (key = ANY(%s) OR url = ANY(%s))",
        [site_id, list(keys), list(urls)],
    ).fetchall()
    by_key = {row.key: row.published for row in found}
    by_url = {row.url: row.published for row in found}
    return {"keys": {key: by_key.get(key, 0) for key in keys}, "urls": {url: by_url.get(url, 0) for url in urls}}


def read(row: Sequence[Any]) -> Thread:
    """The thread in a row that begins with COLUMNS."""
    thread_id, site_id, key, url, title, closed, published, version, changed_at, created_at = row[:WIDTH]
    return Thread(
        UUID(thread_id), UUID(site_id), key, url, title, closed, published, version, _moment(changed_at),
        _moment(created_at),
    )  # fmt: skip


def _moment(micro: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micro)


def _thread(row: Sequence[Any] | None) -> Thread | None:
    return None if row is None else read(row)
