"""Comments that were decided, as a policy saw them: to judge them again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from service.domain.lifecycle import OUTCOMES, Action
from service.domain.reasons import LABELS
from service.store.database import Connection

_ACTIONS = {str(state): action for action, state in OUTCOMES.items()}


@dataclass(frozen=True, slots=True)
class DecidedComment:
    """A comment with the policy's verdict on its present text, and a moderator's last word on it with its reason."""

    id: UUID
    name: str
    body: str
    website: str | None
    author_verified: bool
    language: str
    scores: Mapping[str, float | None] | None
    judged: Action
    rule: str
    reviewed: Action | None
    reason: str | None


_LAST = f"""
SELECT c.id, c.name, c.body, c.website, c.author_verified, c.detected, d.model, d.to_state, d.rule,
       m.to_state AS reviewed, m.reason, {", ".join(f"c.{label}" for label in LABELS)}
FROM comity.comment c
JOIN LATERAL (
    SELECT p.to_state, p.rule, p.model FROM comity.decision p
    WHERE p.comment_id = c.id AND p.actor = 'policy' AND p.content_version = c.content_version
    ORDER BY p.seq DESC LIMIT 1
) AS d ON true
LEFT JOIN LATERAL (
    SELECT r.to_state, r.reason FROM comity.decision r
    WHERE r.comment_id = c.id AND r.actor = 'moderator' AND r.content_version = c.content_version
    ORDER BY r.seq DESC LIMIT 1
) AS m ON true
WHERE c.site_id = %s AND c.state <> 'erased' AND d.rule <> ALL(%s)
ORDER BY c.updated_at DESC, c.id DESC LIMIT %s
"""
#: Verdicts that no policy can change.
_GUARDS = ("tried_too_often", "held")


def last_decided(connection: Connection, site_id: UUID, count: int) -> Sequence[DecidedComment]:
    """Up to `count` comments of a site that its policy decided, the last changed first."""
    rows = connection.execute(_LAST, [site_id, list(_GUARDS), count]).fetchall()
    return [
        DecidedComment(
            row.id, row.name, row.body, row.website, row.author_verified, row.detected or "unknown",
            None if row.model is None else {label: getattr(row, label) for label in LABELS},
            _ACTIONS[row.to_state], row.rule, None if row.reviewed is None else _ACTIONS.get(row.reviewed), row.reason,
        )
        for row in rows
    ]  # fmt: skip
