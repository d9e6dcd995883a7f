"""Sketches of texts, by which near repeats are found: kept for the longest window that a policy may have."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np

from service.domain import sketch
from service.store.arrays import array
from service.store.database import Connection

CANDIDATES = 8  # that are looked at for each band, the latest first


@dataclass(frozen=True, slots=True)
class Sketched:
    """A comment with its sketch and the bands it is found by.

    hours: how far back its likes count. least: from which similarity (0..1) on they do.
    """

    comment_id: UUID
    made: bytes
    bands: Sequence[int]
    hours: int
    least: float


def keep(connection: Connection, sketched: Sequence[Sketched]) -> None:
    """Store sketches, so that later comments are compared with these.

    Nobody waits for the disk here: what is decided on their ground waits for all that was written before it.
    """
    if not sketched:
        return
    ids, bands = array("uuid", (one.comment_id for one in sketched)), _bands(sketched)
    with connection.pipeline():
        connection.execute("SELECT set_config('synchronous_commit', 'off', true)")
        connection.execute(
            "INSERT INTO comity.sketch (comment_id, made) "
            "SELECT * FROM unnest(%s::uuid[], %s::bytea[]) AS u (id, made) ORDER BY id "
            "ON CONFLICT (comment_id) DO UPDATE SET made = excluded.made",
            [ids, array("bytea", (one.made for one in sketched))],
        )
        connection.execute(
            f"INSERT INTO comity.band (band, comment_id) SELECT w.band, {_OWNER} FROM {_BANDS} "
            "ORDER BY w.band, w.at ON CONFLICT DO NOTHING",
            {"ids": ids, "bands": bands},
        )


#: All bands of all comments, `at` from 1: each comment has the same number of them.
_BANDS = "unnest(%(bands)s::bigint[]) WITH ORDINALITY AS w (band, at)"
_ORDER = f"((w.at + {sketch.BANDS - 1}) / {sketch.BANDS})::int"
_OWNER = f"(%(ids)s::uuid[])[{_ORDER}]"

#: Sketches are looked up all at once: one by one, most of the time would go into finding the way to each. A batch may
#: have thousands of them, so they come as three columns and not as rows.
_ALIKE = f"""
WITH near AS MATERIALIZED (
    SELECT DISTINCT {_ORDER} AS nth, found.comment_id FROM {_BANDS}
    CROSS JOIN LATERAL (
        SELECT b.comment_id FROM comity.band b WHERE b.band = w.band AND b.comment_id < {_OWNER}
        ORDER BY b.comment_id DESC LIMIT {CANDIDATES}
    ) AS found
)
SELECT coalesce(string_agg(int4send(near.nth), ''), '') AS nth,
       coalesce(string_agg(uuid_send(s.comment_id), ''), '') AS others, coalesce(string_agg(s.made, ''), '') AS made
FROM near JOIN comity.sketch s ON s.comment_id = near.comment_id
WHERE s.comment_id = ANY(ARRAY(SELECT DISTINCT comment_id FROM near))
"""

#: Each comment is looked up by its id, once: joined, they would tempt the planner to read the whole table.
_STANDING = """
SELECT w.at FROM unnest(%s::uuid[], %s::int[], %s::uuid[]) WITH ORDINALITY AS w (id, hours, other, at)
WHERE (
    SELECT o.state NOT IN ('withdrawn', 'erased') AND o.created_at >= (
        SELECT c.created_at FROM comity.comment c WHERE c.id = w.id
    ) - make_interval(hours => w.hours)
    FROM comity.comment o WHERE o.id = w.other
)
"""


def likeness(connection: Connection, sketched: Sequence[Sketched]) -> dict[UUID, float]:
    """The highest similarity (0..1) of each comment to an earlier one of its site and window.

    Those that have none of their least similarity or more are left out.
    """
    if not sketched:
        return {}
    asked = {"ids": array("uuid", (one.comment_id for one in sketched)), "bands": _bands(sketched)}
    row: Any = connection.execute(_ALIKE, asked, binary=True).fetchone()
    nth = np.frombuffer(row.nth, ">i4") - 1
    likes = sketch.likeness(b"".join([one.made for one in sketched]), nth, row.made)
    least = np.array([one.least for one in sketched])
    close = np.flatnonzero(likes >= least[nth]).tolist()
    pairs = [(sketched[nth[at]], UUID(bytes=row.others[at * 16 : at * 16 + 16])) for at in close]
    highest: dict[UUID, float] = {}
    for found in _standing(connection, pairs):
        one = pairs[found][0].comment_id
        highest[one] = max(float(likes[close[found]]), highest.get(one, 0.0))
    return highest


def _standing(connection: Connection, pairs: Sequence[tuple[Sketched, UUID]]) -> list[int]:
    """Which pairs count: those whose other comment stands and lies in the first one's window."""
    if not pairs:
        return []
    columns = [
        array("uuid", (one.comment_id for one, _ in pairs)),
        array("int4", (one.hours for one, _ in pairs)),
        array("uuid", (other for _, other in pairs)),
    ]
    return [row.at - 1 for row in connection.execute(_STANDING, columns, binary=True).fetchall()]


def _bands(sketched: Sequence[Sketched]) -> bytes:
    return array("int8", [band for one in sketched for band in one.bands])
