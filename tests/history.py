"""What must hold in the database after whatever happened to the processes around it: each invariant by its name."""

from collections.abc import Callable, Sequence

#: Moves that exist, as the table in docs/contributor/architecture.md's words has them: who, from where, to where.
#: Written down a second time on purpose: `service.domain.lifecycle` is what is being checked.
_EDGES = "\n UNION ALL ".join(
    f"SELECT {actor}, f, t FROM unnest(ARRAY[{froms}]) f, unnest(ARRAY[{tos}]) t"
    for actor, froms, tos in (
        ("'policy'", "'pending', 'published', 'flagged'", "'published', 'flagged', 'rejected'"),
        ("'moderator'", "'pending', 'published', 'flagged', 'rejected'", "'published', 'flagged', 'rejected'"),
        ("'website'", "'pending', 'published', 'flagged'", "'withdrawn'"),
        ("'author'", "'pending', 'published', 'flagged'", "'withdrawn'"),
        ("'author'", "'pending', 'published', 'flagged', 'rejected', 'withdrawn'", "'erased'"),
        ("'operator'", "'pending', 'published', 'flagged', 'rejected', 'withdrawn'", "'erased'"),
    )
)

#: An invariant, and the statement that finds where it is broken: it has no row to return.
INVARIANTS = {
    "nothing pending beyond the deadline": "SELECT id FROM comity.comment WHERE state = 'pending' OR due_at IS NOT NULL",
    "nothing decided twice": "SELECT comment_id FROM comity.decision WHERE actor = 'policy' "
    "GROUP BY comment_id, content_version HAVING count(*) > 1",
    "seq 1 to n without gaps": "SELECT comment_id FROM comity.decision "
    "GROUP BY comment_id HAVING count(*) <> max(seq) OR min(seq) <> 1 OR count(DISTINCT seq) <> count(*)",
    "only allowed edges": "SELECT d.comment_id FROM ("
    "  SELECT *, lag(to_state, 1, 'pending') OVER w AS stood, lag(version, 1, 0) OVER w AS earlier FROM comity.decision"
    "  WINDOW w AS (PARTITION BY comment_id ORDER BY seq)) d "
    f"LEFT JOIN ({_EDGES}) e (actor, f, t) ON e.actor = d.actor AND e.f = d.from_state AND e.t = d.to_state "
    "WHERE d.from_state <> d.stood OR d.version <= d.earlier "
    "OR (e.actor IS NULL AND NOT (d.action = 'edit' AND d.from_state = d.to_state))",
    "no verdict on an older text": "SELECT d.comment_id FROM comity.decision d JOIN comity.decision e "
    "ON e.comment_id = d.comment_id AND e.seq < d.seq AND e.content_version > d.content_version",
    "state is the last decision": "SELECT c.id FROM comity.comment c "
    "LEFT JOIN comity.decision d ON d.comment_id = c.id AND d.seq = c.decisions "
    "WHERE d.to_state IS DISTINCT FROM c.state AND NOT (c.state = 'pending' AND c.decisions = 0)",
    "no state without a decision": "SELECT c.id FROM comity.comment c WHERE c.state <> 'pending' "
    "AND NOT EXISTS (SELECT FROM comity.decision d WHERE d.comment_id = c.id AND d.to_state = c.state)",
    "each decision has its outbox row": "SELECT d.comment_id FROM comity.decision d "
    "LEFT JOIN comity.outbox o USING (comment_id, seq) WHERE d.action <> 'edit' AND (o.id IS NULL OR o.event <> "
    "CASE WHEN d.from_state = 'published' AND d.to_state = 'published' THEN 'comment.changed' "
    "ELSE 'comment.' || d.to_state END) "
    "UNION ALL SELECT o.comment_id FROM comity.outbox o LEFT JOIN comity.decision d USING (comment_id, seq) "
    "WHERE o.event LIKE 'comment.%' AND d.comment_id IS NULL",
    "a contact for each comment": "SELECT c.id FROM comity.comment c "
    "FULL JOIN contacts.contact k ON k.comment_id = c.id WHERE c.id IS NULL OR k.comment_id IS NULL",
    "each endpoint is told each event": "SELECT o.id FROM comity.outbox o JOIN comity.endpoint e "
    "ON e.site_id = o.site_id AND e.enabled AND e.removed_at IS NULL AND e.created_at < o.at "
    "AND (o.event = ANY(e.events) OR 'comment.*' = ANY(e.events)) "
    "LEFT JOIN comity.delivery d ON d.event_id = o.id AND d.endpoint_id = e.id WHERE d.id IS NULL",
}


def broken(rows: Callable[[str], Sequence[object]]) -> dict[str, list[object]]:
    """The invariants that do not hold, each with where. rows: asks the database as its owner."""
    return {name: found for name, statement in INVARIANTS.items() if (found := list(rows(statement)))}


def check(rows: Callable[[str], Sequence[object]]) -> None:
    """Nothing lost, nothing decided twice, the record without a gap. rows: asks the database as its owner."""
    assert broken(rows) == {}
