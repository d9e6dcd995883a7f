"""Sketches of texts, by which near repeats are found: kept for the longest window that a policy may have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from service.domain import sketch
from service.store.arrays import array
from service.store.database import Connection

CANDIDATES = 8  # that are looked at for each band, the latest first


@dataclass(frozen=True, slots=True)
class Sketched:
    """A comment with its sketch and the bands it is found by. hours: how far back its likes count."""

    comment_id: UUID
    made: bytes
    bands: Sequence[int]
    hours: int


def keep(connection: Connection, sketched: Sequence[Sketched]) -> None:
    """Store sketches, so that later comments are compared with these.

    Nobody waits for the disk here: what is decided on their ground waits for all that was written before it.
    """
    if not sketched:
        return
    with connection.pipeline():
        connection.execute("SELECT set_config('synchronous_commit', 'off', true)")
        connection.execute(
            "INSERT INTO comity.sketch (comment_id, made) "
            "SELECT * FROM unnest(%s::uuid[], %s::bytea[]) AS u (id, made) ORDER BY id "
            "ON CONFLICT (comment_id) DO UPDATE SET made = excluded.made",
            [array(one.comment_id for one in sketched), array(one.made for one in sketched)],
        )
        ids, bands = _by_band(sketched)
        connection.execute(
            "INSERT INTO comity.band (band, comment_id) SELECT * FROM unnest(%s::bigint[], %s::uuid[]) AS u (band, id) "
            "ORDER BY band, id ON CONFLICT DO NOTHING",
            [array(bands), array(ids)],
        )


#: Each comment is looked up by its id, once: joined with all bands, it would tempt the planner to read the whole table.
_ALIKE = f"""
WITH asked AS MATERIALIZED (
    SELECT u.id,
           (SELECT c.created_at FROM comity.comment c WHERE c.id = u.id) - make_interval(hours => u.hours) AS since
    FROM unnest(%s::uuid[], %s::int[]) AS u (id, hours)
)
SELECT DISTINCT w.id, s.made
FROM unnest(%s::uuid[], %s::bigint[]) AS w (id, band)
JOIN asked ON asked.id = w.id
CROSS JOIN LATERAL (
    SELECT b.comment_id FROM comity.band b WHERE b.band = w.band AND b.comment_id < w.id
    ORDER BY b.comment_id DESC LIMIT {CANDIDATES}
) AS near
JOIN comity.comment o ON o.id = near.comment_id
JOIN comity.sketch s ON s.comment_id = near.comment_id
WHERE o.created_at >= asked.since AND o.state NOT IN ('withdrawn', 'erased')
"""


def likeness(connection: Connection, sketched: Sequence[Sketched]) -> dict[UUID, float]:
    """The highest similarity (0..1) of each comment to an earlier one of its site and window; none found: left out."""
    if not sketched:
        return {}
    ids, bands = _by_band(sketched)
    asked = [array(one.comment_id for one in sketched), array(one.hours for one in sketched)]
    near: dict[UUID, list[bytes]] = {}
    for row in connection.execute(_ALIKE, [*asked, array(ids), array(bands)]).fetchall():
        near.setdefault(row.id, []).append(row.made)
    made: Mapping[UUID, bytes] = {one.comment_id: one.made for one in sketched}
    return {comment_id: float(sketch.likeness(made[comment_id], others).max()) for comment_id, others in near.items()}


def _by_band(sketched: Sequence[Sketched]) -> tuple[list[UUID], list[int]]:
    return (
        [one.comment_id for one in sketched for _ in one.bands],
        [band for one in sketched for band in one.bands],
    )
