"""Databases of any size: comments made by PostgreSQL itself, with all that belongs to them.

A site's three years: threads of 50 comments each, every fifth comment a reply, 1 % flagged, 2 % rejected. Decisions,
trees, counters and threads agree with the comments; events, sketches and request keys are those that retention would
have left. Indexes are dropped while rows come and made again afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

PER_THREAD = 50
_AT_ONCE = 100  # threads whose comments come in turns
_SPAN = timedelta(days=3 * 365)
_CHUNK = 500_000

_PREPARE = """
SET synchronous_commit = off;
SET maintenance_work_mem = '512MB';
SET work_mem = '256MB';
SET session_replication_role = replica;
-- An id as `service.domain.ids` makes them, of a number instead of chance.
CREATE FUNCTION pg_temp.made_id(at timestamptz, number bigint, kind int) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '700' || kind || '8'
            || lpad(to_hex(number), 15, '0'))::uuid
$$;
"""

_THREADS = """
INSERT INTO comity.thread (id, site_id, key, url, title, version, changed_at, created_at)
SELECT pg_temp.made_id(%(since)s + g / %(block)s * %(block)s * %(per_thread)s * %(step)s, g, 2), %(site)s, 'page-' || g,
       'https://blog.example/page/' || g, 'Page ' || g, 1, %(until)s,
       %(since)s + g / %(block)s * %(block)s * %(per_thread)s * %(step)s
FROM generate_series(0::bigint, %(threads)s - 1) AS g
"""

#: Number i is comment i % 5000 / 100 of thread i / 5000 * 100 + i % 100; every fifth of a thread answers its first one.
_MADE = """
WITH numbered AS (
    SELECT i, i / (%(block)s * %(per_thread)s) AS row, i %% (%(block)s * %(per_thread)s) / %(block)s AS place,
           hashint8(i) & 1023 AS luck
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i
), made AS (
    SELECT i, place %% 5 = 4 AS reply, row * %(block)s + i %% %(block)s AS thread,
           CASE WHEN place %% 5 = 0 THEN 'published' WHEN luck < 10 THEN 'flagged' WHEN luck < 31 THEN 'rejected'
                ELSE 'published' END AS state,
           CASE luck %% 3 WHEN 0 THEN 'spam' WHEN 1 THEN 'toxicity' ELSE 'insult' END AS why,
           %(since)s + i * %(step)s AS at, i - 4 * %(block)s AS above,
           %(since)s + row * %(block)s * %(per_thread)s * %(step)s AS thread_at
    FROM numbered
), whole AS (
    SELECT m.*, pg_temp.made_id(m.at, m.i, 1) AS id, pg_temp.made_id(m.thread_at, m.thread, 2) AS thread_id,
           CASE WHEN m.reply THEN pg_temp.made_id(m.at - 4 * %(block)s * %(step)s, m.above, 1) END AS parent_id,
           CASE WHEN m.state = 'published' THEN NULL ELSE m.why END AS reason
    FROM made m
)
"""

_PARTS: tuple[str, ...] = (
    """
    INSERT INTO comity.comment (id, site_id, thread_id, parent_id, root_id, depth, name, body, digest, state, reason,
        version, decisions, model, detected, spam, toxicity, severe_toxicity, obscene, threat, insult, identity_attack,
        due_at, created_at, updated_at, published_at, published_content)
    SELECT id, %(site)s, thread_id, parent_id, coalesce(parent_id, id), (parent_id IS NOT NULL)::int, 'Reader ' || i,
           'I read page ' || i || ' twice. The second part explains half of what I learned at school, so fine.',
           decode(md5(i::text), 'hex'), state, reason, 2, 1, 'made', 'en',
           0.02, CASE WHEN reason IS NULL THEN 0.1 ELSE 0.45 + 0.5 * random() END, 0.001, 0.01, 0.001, 0.1, 0.001,
           NULL, at, at, CASE WHEN state = 'published' THEN at END, CASE WHEN state = 'published' THEN 1 END
    FROM whole
    """,
    """
    INSERT INTO contacts.contact (comment_id, site_id, key_id, sealed, author_index, domain_index, domain_class,
                                  created_at)
    SELECT id, %(site)s, 'made', decode(repeat(md5(i::text), 7), 'hex'), decode(md5((i %% %(authors)s)::text), 'hex'),
           decode(md5((i %% 40)::text || 'd'), 'hex'), 'own', at
    FROM whole
    """,
    """
    INSERT INTO comity.decision (comment_id, seq, site_id, from_state, to_state, action, actor, rule, reason, saw,
                                 scores, model, policy_version, content_version, version, at)
    SELECT id, 1, %(site)s, 'pending', state,
           CASE state WHEN 'published' THEN 'publish' WHEN 'flagged' THEN 'flag' ELSE 'reject' END, 'policy',
           CASE WHEN reason IS NULL THEN 'otherwise' ELSE 'scores' END, reason, '{}',
           '{"spam": 0.02, "toxicity": 0.1, "severe_toxicity": 0.001, "obscene": 0.01, "threat": 0.001, "insult": 0.1,
             "identity_attack": 0.001}', 'made', 0, 1, 2, at
    FROM whole
    """,
    """
    INSERT INTO comity.outbox (id, site_id, comment_id, seq, event, at)
    SELECT pg_temp.made_id(at, i, 3), %(site)s, id, 1, 'comment.' || state, at
    FROM whole WHERE at > %(until)s - interval '30 days'
    """,
    """
    INSERT INTO comity.sketch (comment_id, made, created_at)
    SELECT id, decode(repeat(md5(i::text), 8), 'hex'), at FROM whole WHERE at > %(until)s - interval '31 days'
    """,
    """
    INSERT INTO comity.band (band, comment_id, created_at)
    SELECT hashint8extended(i * 6 + b, 7), id, at FROM whole, generate_series(0, 5) AS b
    WHERE at > %(until)s - interval '31 days'
    """,
    """
    INSERT INTO comity.idempotency (site_id, route, key, fingerprint, outcomes, created_at)
    SELECT %(site)s, 'POST /v1/comments', 'made-' || i, decode(md5(i::text), 'hex'), ARRAY[id::text], at
    FROM whole WHERE at > %(until)s - interval '1 day'
    """,
)

_AFTER = """
INSERT INTO comity.tree (root_id, thread_id, created_at, published)
SELECT root_id, thread_id, min(created_at), count(*) FILTER (WHERE state = 'published')
FROM comity.comment GROUP BY root_id, thread_id;
UPDATE comity.thread t SET published = c.n, version = 1 + c.n FROM (
    SELECT thread_id, count(*) AS n FROM comity.comment WHERE state = 'published' GROUP BY thread_id
) AS c WHERE c.thread_id = t.id;
INSERT INTO comity.counter (site_id, state, reason, n)
SELECT site_id, state, coalesce(reason, ''), count(*) FROM comity.comment GROUP BY 1, 2, 3;
"""


@dataclass(frozen=True, slots=True)
class Grown:
    """What was made. bytes: of the whole database."""

    comments: int
    threads: int
    bytes: int


def grow(superuser_url: str, site_id: UUID, comments: int) -> Grown:
    """Fill a fresh database with so many comments of one site."""
    threads = -(-comments // (PER_THREAD * _AT_ONCE)) * _AT_ONCE
    until = datetime.now(UTC) - timedelta(minutes=1)
    facts: dict[str, Any] = {
        "site": site_id, "since": until - _SPAN, "until": until, "step": _SPAN / comments, "block": _AT_ONCE,
        "per_thread": PER_THREAD, "threads": threads, "authors": max(100, comments // 20),
    }  # fmt: skip
    with psycopg.connect(superuser_url, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute(_PREPARE)
        dropped = _drop_indexes(connection)
        connection.execute(_THREADS, facts)
        for first in range(0, comments, _CHUNK):
            chunk = {**facts, "first": first, "last": min(first + _CHUNK, comments) - 1}
            for part in _PARTS:
                connection.execute(_with(part), chunk)
        connection.execute(_AFTER)
        for definition in dropped:
            connection.execute(definition)
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row is not None
    return Grown(comments, threads, int(row[0]))


def _with(part: str) -> str:
    """An INSERT whose rows come from `whole`."""
    return _MADE + part


def _drop_indexes(connection: psycopg.Connection[Any]) -> Sequence[str]:
    """Drop the indexes that no constraint needs; how to make them again."""
    found = connection.execute(
        "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i "
        "JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname IN ('comity', 'contacts') AND NOT i.indisprimary "
        "AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)"
    ).fetchall()
    for name, _ in found:
        connection.execute(f"DROP INDEX {name}")
    return [definition for _, definition in found]
