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
    """Store sketches, so that later comments are compared with these."""
    if not sketched:
        return
    with connection.pipeline():
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


_ALIKE = f"""
SELECT DISTINCT w.id, s.made
FROM unnest(%s::uuid[], %s::bigint[], %s::int[]) AS w (id, band, hours)
JOIN comity.comment c ON c.id = w.id
CROSS JOIN LATERAL (
    SELECT b.comment_id FROM comity.band b WHERE b.band = w.band AND b.comment_id < w.id
    ORDER BY b.comment_id DESC LIMIT {CANDIDATES}
) AS near
JOIN comity.comment o ON o.id = near.comment_id
JOIN comity.sketch s ON s.comment_id = near.comment_id
WHERE o.created_at >= c.created_at - make_interval(hours => w.hours) AND o.state NOT IN ('withdrawn', 'erased')
"""


def likeness(connection: Connection, sketched: Sequence[Sketched]) -> dict[UUID, float]:
    """The highest similarity (0..1) of each comment to an earlier one of its site and window; none found: left out."""
    if not sketched:
        return {}
    ids, bands = _by_band(sketched)
    hours = [one.hours for one in sketched for _ in one.bands]
    near: dict[UUID, list[bytes]] = {}
    for row in connection.execute(_ALIKE, [array(ids), array(bands), array(hours)]).fetchall():
        near.setdefault(row.id, []).append(row.made)
    made: Mapping[UUID, bytes] = {one.comment_id: one.made for one in sketched}
    return {comment_id: float(sketch.likeness(made[comment_id], others).max()) for comment_id, others in near.items()}


def _by_band(sketched: Sequence[Sketched]) -> tuple[list[UUID], list[int]]:
    return (
        [one.comment_id for one in sketched for _ in one.bands],
        [band for one in sketched for band in one.bands],
    )
