"""Indexes that answer for the comments: how many pages of their table a question touches."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import namedtuple_row

from service.store import public, queue
from service.store.database import Connection
from service.store.queue import Filter
from service.store.threads import Named
from tests.world import World

_MAP = 3  # the page that says which pages of the table need no look counts as one of its own, once for each scan
_FILL = """
INSERT INTO comity.comment (id, site_id, thread_id, root_id, name, body, digest, state, due_at, created_at, published_at,
                            detected, toxicity, reason)
SELECT u.id, %(site)s, t.id, u.id, 'Ann', repeat(%(word)s, 20), '', %(state)s, NULL,
       timestamptz '2026-01-01' + make_interval(secs => u.n), now(), 'en', u.n %% 100 / 100.0, 'toxicity'
FROM (SELECT n, gen_random_uuid() AS id FROM generate_series(1, %(count)s) AS n) AS u
JOIN comity.thread t ON t.key = 'page-' || u.n %% 40
"""


@pytest.fixture
def full(world: World) -> Iterator[Connection]:
    """4,000 published comments of 40 threads, which come in turns, and 4,000 flagged ones; as the database's owner."""
    with psycopg.connect(world.owner_url, autocommit=True, row_factory=namedtuple_row) as connection:
        for number in range(40):
            connection.execute(
                "INSERT INTO comity.thread (id, site_id, key) VALUES (%s, %s, %s)",
                [uuid4(), world.site.id, f"page-{number}"],
            )
        for state in ("published", "flagged"):
            given = {"site": world.site.id, "state": state, "word": f"{state} ", "count": 4_000}
            connection.execute(_FILL, given)
        connection.execute("VACUUM ANALYZE comity.comment")
        yield connection


def touched(connection: Connection, ask: Callable[[], Any]) -> int:
    """Pages of the table of comments that a question looks at, one twice if it is looked at twice."""
    ask()  # what is looked at once for a session is not counted

    def looked() -> int:
        connection.execute("SELECT pg_stat_force_next_flush()")
        row: Any = connection.execute(
            "SELECT heap_blks_read + heap_blks_hit AS n FROM pg_statio_user_tables WHERE relid = 'comity.comment'::regclass"
        ).fetchone()
        return int(row.n)

    before = looked()
    ask()
    return looked() - before


@pytest.mark.parametrize("newest", [False, True])
@pytest.mark.parametrize("follow", [False, True])
def test_a_page_of_short_comments_is_read_from_its_index(
    world: World, full: Connection, newest: bool, follow: bool
) -> None:
    """No comment in the table; from the beginning of a thread, and from a place in it."""
    named = Named(world.site.id, "page-7", None)
    first = public.flat(full, named, 20, None, newest)
    assert first is not None
    after = first.after if follow else None
    page = public.flat(full, named, 50, after, newest)
    assert page is not None
    assert len(page.comments) == 50
    assert touched(full, lambda: public.flat(full, named, 50, after, newest)) <= _MAP


def test_long_comments_are_read_from_their_table(world: World, full: Connection) -> None:
    """One page for each."""
    full.execute("UPDATE comity.comment SET body = repeat('long ', 200) WHERE state = 'published'")
    full.execute("VACUUM ANALYZE comity.comment")
    assert _MAP < touched(full, lambda: public.flat(full, Named(world.site.id, "page-7", None), 50)) <= 51 + _MAP


@pytest.mark.parametrize(
    "given",
    [
        {"score": ("toxicity", 0.0, 0.05)}, {"score": ("toxicity", 0.98, 1.0)}, {"score": ("spam", 0.5, 1.0)},
        {"language": "fr"}, {"thread": UUID(int=7)}, {"reason": "spam", "score": ("toxicity", 0.5, 0.9)},
    ],
    ids=str,
)  # fmt: skip
def test_the_queues_filters_look_at_no_comment_that_they_pass_over(
    world: World, full: Connection, given: dict[str, Any]
) -> None:
    """Only those that are shown are looked at, and none to count them."""
    wanted = Filter(sites=[world.site.id], **given)
    assert touched(full, lambda: queue.count(full, wanted)) <= _MAP
    shown = len(queue.flagged(full, wanted, 10, None, newest=False))
    assert touched(full, lambda: queue.flagged(full, wanted, 10, None, newest=False)) <= shown + _MAP
