"""Trying a policy on the past before it is saved."""

from dataclasses import replace
from uuid import UUID

from service import evidence
from service.domain import trial
from service.domain.policy import Policy
from service.domain.rules import ClosedThread, FirstComment
from service.domain.trial import Past, Trial
from service.store import claims, history, sketches
from service.store.database import Connection


def run(connection: Connection, site_id: UUID, policy: Policy, last: int) -> Trial:
    """What `policy` would make of the site's last decided comments.

    Bans count as they are now; a thread counts as closed where it was when the comment was judged.
    """
    comments = history.last_decided(connection, site_id, last)
    hours = policy.repeats.hours if policy.repeats else 0
    around = claims.gather(connection, {one.id: hours for one in comments}, first=policy.asks(FirstComment))
    alike = sketches.likeness(connection, evidence.sketches_of((site_id, one, policy) for one in comments))
    pasts = []
    for one in comments:
        then = replace(around[one.id], thread_closed=one.rule == ClosedThread.kind)
        facts = evidence.facts(one, policy, one.scores, one.language, then, alike.get(one.id, 0.0))
        pasts.append(Past(one.id, facts, one.judged, one.reviewed))
    return trial.run(pasts, policy)
