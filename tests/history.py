"""What must hold in the database after whatever happened to the processes around it."""

from collections.abc import Callable, Sequence

#: What is wrong, and the statement that finds it: it has no row to return.
FAULTS = {
    "pending": "SELECT id FROM comity.comment WHERE state = 'pending'",
    "decided twice": "SELECT comment_id FROM comity.decision WHERE actor = 'policy' "
    "GROUP BY comment_id, content_version HAVING count(*) > 1",
    "gap in the record": "SELECT comment_id FROM comity.decision "
    "GROUP BY comment_id HAVING count(*) <> max(seq) OR min(seq) <> 1",
    "state is not the last decision's": "SELECT c.id FROM comity.comment c "
    "LEFT JOIN comity.decision d ON d.comment_id = c.id AND d.seq = c.decisions "
    "WHERE d.to_state IS DISTINCT FROM c.state",
    "decision without its event": "SELECT d.comment_id FROM comity.decision d "
    "LEFT JOIN comity.outbox o USING (comment_id, seq) WHERE o.id IS NULL",
    "event that an endpoint is not told": "SELECT o.id FROM comity.outbox o JOIN comity.endpoint e "
    "ON e.site_id = o.site_id AND e.enabled AND e.removed_at IS NULL AND e.created_at < o.at "
    "AND (o.event = ANY(e.events) OR 'comment.*' = ANY(e.events)) "
    "LEFT JOIN comity.delivery d ON d.event_id = o.id AND d.endpoint_id = e.id WHERE d.id IS NULL",
    "comments without contact": "SELECT count(*) FROM comity.comment "
    "HAVING count(*) <> (SELECT count(*) FROM contacts.contact)",
}


def check(rows: Callable[[str], Sequence[object]]) -> None:
    """Nothing lost, nothing decided twice, the record without a gap. rows: asks the database as its owner."""
    assert {fault: found for fault, statement in FAULTS.items() if (found := list(rows(statement)))} == {}
