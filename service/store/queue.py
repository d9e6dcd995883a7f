"""The moderation queue: flagged comments, how many there are, and all that a moderator needs to judge one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from service.domain.reasons import LABELS
from service.store.comments import NotFound
from service.store.database import Connection

COUNTED = 1_000  # filtered queues are counted up to here: what is beyond is not one sitting's work
_FEW = 8  # sites


@dataclass(frozen=True, slots=True)
class Filter:
    """What part of the queue is asked for; None asks for all.

    sites: the sites the moderator may see. score: label with a band of probabilities, low to high, both included.
    older, newer: times of arrival. text: a piece of name or body, case aside.
    """

    sites: Sequence[UUID]
    reason: str | None = None
    score: tuple[str, float, float] | None = None
    thread: UUID | None = None
    older: datetime | None = None
    newer: datetime | None = None
    language: str | None = None
    text: str | None = None

    @property
    def counted(self) -> bool:
        """Whether kept counters answer how many there are."""
        return not any((self.score, self.thread, self.older, self.newer, self.language, self.text))


@dataclass(frozen=True, slots=True)
class Flagged:
    """A comment in the queue."""

    id: UUID
    site: str
    thread_id: UUID
    thread_title: str | None
    thread_key: str | None
    thread_url: str | None
    parent_id: UUID | None
    name: str
    body: str
    website: str | None
    state: str
    reason: str | None
    rule: str | None
    saw: Mapping[str, Any] | None
    scores: Mapping[str, float | None]
    language: str | None
    version: int
    created_at: datetime


_SHOWN = f"""
SELECT c.id, s.name AS site, c.thread_id, t.title AS thread_title, t.key AS thread_key, t.url AS thread_url,
       c.parent_id, c.name, c.body, c.website, c.state, c.reason, d.rule, d.saw, c.detected AS language, c.version,
       c.created_at, {", ".join(f"c.{label}" for label in LABELS)}
FROM {{comments}}
JOIN comity.site s ON s.id = c.site_id
JOIN comity.thread t ON t.id = c.thread_id
LEFT JOIN LATERAL (
    SELECT v.rule, v.saw FROM comity.decision v WHERE v.comment_id = c.id AND v.action <> 'edit'
    ORDER BY v.seq DESC LIMIT 1
) d ON true
"""


def flagged(
    connection: Connection, wanted: Filter, limit: int, after: tuple[datetime, UUID] | None, newest: bool
) -> list[Flagged]:
    """A stretch of the queue, oldest or `newest` first, from behind the place `after`."""
    if not wanted.sites:
        return []
    where, arguments = _where(wanted)
    sign, order = ("<", "DESC") if newest else (">", "ASC")
    if after:
        where += f" AND (c.created_at, c.id) {sign} (%(after_at)s, %(after_id)s)"
        arguments |= {"after_at": after[0], "after_id": after[1]}
    by = f"ORDER BY c.created_at {order}, c.id {order}"
    # Each site's part comes in the order of its index; asked for all sites at once, all that is flagged is sorted. All
    # that finds them is in the index: a filter does not look at a comment that it passes over.
    own, sites = _own(wanted.sites)
    stretch = (
        f"(SELECT c.id FROM {own} AS own (site_id) CROSS JOIN LATERAL ("
        "SELECT c.id, c.created_at FROM comity.comment c "
        f"WHERE c.site_id = own.site_id AND {where} {by} LIMIT {limit:d}"
        f") AS c {by} LIMIT {limit:d}) AS found JOIN comity.comment c ON c.id = found.id"
    )
    arguments |= sites
    rows = connection.execute(f"{_SHOWN.format(comments=stretch)} {by}", arguments).fetchall()
    return [_flagged(row) for row in rows]


def _own(sites: Sequence[UUID]) -> tuple[str, dict[str, Any]]:
    """A moderator's sites as a table.

    As the limit, the number of a few sites is part of the statement: PostgreSQL, not knowing them, would think a stored
    plan too dear, and make a plan for each request, which takes longer than all the rest.
    """
    if len(sites) > _FEW:
        return "unnest(%(sites)s::uuid[])", {"sites": list(sites)}
    rows = ", ".join(f"(%(site_{number})s::uuid)" for number in range(len(sites)))
    return f"(VALUES {rows})", {f"site_{number}": site for number, site in enumerate(sites)}


def count(connection: Connection, wanted: Filter) -> tuple[int, bool]:
    """How many comments match, and whether that is exact: False means "more than that"."""
    if wanted.counted:
        by_reason = totals(connection, wanted.sites).get("flagged", {})
        return (by_reason.get(wanted.reason, 0) if wanted.reason else sum(by_reason.values())), True
    where, arguments = _where(wanted)
    row = connection.execute(
        "SELECT count(*) FROM (SELECT FROM comity.comment c "
        f"WHERE c.site_id = ANY(%(sites)s) AND {where} LIMIT {COUNTED + 1}) AS found",
        {**arguments, "sites": list(wanted.sites)},
    ).fetchone()
    assert row is not None
    return min(row[0], COUNTED), row[0] <= COUNTED


def totals(connection: Connection, sites: Sequence[UUID]) -> dict[str, dict[str, int]]:
    """Comments by state and reason ('' for none), exact at this moment; pending ones under ''."""
    rows = connection.execute(
        """
        SELECT state, reason, sum(n)::bigint AS n FROM (
            SELECT state, reason, n FROM comity.counter WHERE site_id = ANY(%(sites)s)
            UNION ALL SELECT state, reason, n FROM comity.counter_change WHERE site_id = ANY(%(sites)s)
            UNION ALL SELECT 'pending', '', count(*) FROM comity.comment
                WHERE due_at IS NOT NULL AND state = 'pending' AND site_id = ANY(%(sites)s)
        ) AS parts GROUP BY state, reason
        """,
        {"sites": list(sites)},
    ).fetchall()
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        if row.n:
            found.setdefault(row.state, {})[row.reason] = row.n
    return found


def _where(wanted: Filter) -> tuple[str, dict[str, Any]]:
    """The condition of a filter, but for its sites, and what it refers to."""
    parts = ["c.state = 'flagged'"]
    arguments: dict[str, Any] = {}
    for part, name, value in (
        ("c.reason = %(reason)s", "reason", wanted.reason),
        ("c.thread_id = %(thread)s", "thread", wanted.thread),
        ("c.created_at <= %(older)s", "older", wanted.older),
        ("c.created_at >= %(newer)s", "newer", wanted.newer),
        ("c.detected = %(language)s", "language", wanted.language),
    ):
        if value is not None:
            parts.append(part)
            arguments[name] = value
    if wanted.score is not None:
        label, low, high = wanted.score
        assert label in LABELS  # a column's name: never from outside unchecked
        parts.append(f"c.{label}::float8 BETWEEN %(low)s - 1e-6 AND %(high)s + 1e-6")
        arguments |= {"low": low, "high": high}
    if wanted.text is not None:
        parts.append("(c.body ILIKE %(text)s OR c.name ILIKE %(text)s)")
        escaped = wanted.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        arguments["text"] = f"%{escaped}%"
    return " AND ".join(parts), arguments


def _flagged(row: Any) -> Flagged:
    return Flagged(
        row.id, row.site, row.thread_id, row.thread_title, row.thread_key, row.thread_url, row.parent_id, row.name,
        row.body, row.website, row.state, row.reason, row.rule, row.saw,
        {label: _rounded(getattr(row, label)) for label in LABELS}, row.language, row.version, row.created_at,
    )  # fmt: skip


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 6)


@dataclass(frozen=True, slots=True)
class Decision:
    """One line of a comment's record."""

    seq: int
    from_state: str
    to_state: str
    action: str
    actor: str
    token_id: str | None
    rule: str | None
    reason: str | None
    note: str | None
    saw: Mapping[str, Any]
    scores: Mapping[str, float | None] | None
    model: str | None
    policy_version: int | None
    content_version: int
    version: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Review:
    """All that a moderator needs: the comment, what it answers, how its author fared, what was decided so far.

    author: published, flagged, rejected ... comments of the same author on this site, and when the first one came.
    waiting: a verdict is due.
    """

    comment: Flagged
    site_id: UUID
    content_version: int
    model: str | None
    user_agent: str | None
    referrer: str | None
    author_prefix: str | None
    author_verified: bool
    waiting: bool
    thread_closed: bool
    parent: tuple[UUID, str, str, str] | None
    author: Mapping[str, int]
    author_since: datetime | None
    domain_class: str | None
    decisions: Sequence[Decision]


def review(connection: Connection, comment_id: UUID, sites: Sequence[UUID]) -> Review:
    """The review of a comment in one of `sites`, whatever its state. Raises NotFound."""
    row = connection.execute(
        f"{_SHOWN.format(comments='comity.comment c')} WHERE c.id = %s AND c.site_id = ANY(%s)",
        [comment_id, list(sites)],
    ).fetchone()
    if row is None:
        raise NotFound
    more: Any = connection.execute(
        "SELECT c.site_id, c.content_version, c.model, c.user_agent, c.referrer, c.author_prefix::text AS prefix, "
        "c.author_verified, c.due_at IS NOT NULL AS waiting, t.closed_at IS NOT NULL AS closed, "
        "p.id AS parent_id, p.name AS parent_name, p.body AS parent_body, p.state AS parent_state "
        "FROM comity.comment c JOIN comity.thread t ON t.id = c.thread_id "
        "LEFT JOIN comity.comment p ON p.id = c.parent_id WHERE c.id = %s",
        [comment_id],
    ).fetchone()
    record = connection.execute("SELECT * FROM contacts.record(%s, %s)", [comment_id, more.site_id]).fetchall()
    decisions = connection.execute(
        "SELECT seq, from_state, to_state, action, actor, token_id, rule, reason, note, saw, scores, model, "
        "policy_version, content_version, version, at FROM comity.decision WHERE comment_id = %s ORDER BY seq",
        [comment_id],
    ).fetchall()
    return Review(
        comment=_flagged(row),
        site_id=more.site_id,
        content_version=more.content_version,
        model=more.model,
        user_agent=more.user_agent,
        referrer=more.referrer,
        author_prefix=more.prefix,
        author_verified=more.author_verified,
        waiting=more.waiting,
        thread_closed=more.closed,
        parent=(more.parent_id, more.parent_name, more.parent_body, more.parent_state) if more.parent_id else None,
        author={part.state: part.n for part in record},
        author_since=min((part.first_at for part in record), default=None),
        domain_class=next((part.domain_class for part in record), None),
        decisions=[Decision(*decision) for decision in decisions],
    )
