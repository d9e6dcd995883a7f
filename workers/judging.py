"""One pass over due comments: claim, classify, gather, judge, decide. Used by the worker's task and by the relay.

No transaction is open while text is classified. Whatever goes wrong, a comment ends with a verdict or with a human.
"""

import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from classifier import LABELS, Model
from service import failpoints, log
from service.domain import policies, text
from service.domain.ids import new_id
from service.domain.lifecycle import Actor, State
from service.domain.policy import Facts, Policy, Verdict, judge
from service.store import claims, comments, sites
from service.store.claims import Claimed, Surroundings
from service.store.database import Busy, Database, Unavailable

_log = log.get(__name__)
_RENEW_EVERY = 2.0  # seconds; a lease lasts 6


@dataclass(slots=True)
class Judge:
    """What a process needs to judge: the database, the model (None: none could be loaded), and how much at once."""

    database: Database
    model: Model | None
    batch: int
    kind: str = "worker"
    process: str = field(init=False)
    _policies: dict[tuple[UUID, int], Policy] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.process = f"{self.kind}:{socket.gethostname()}:{os.getpid()}"

    def pass_once(self) -> bool:
        """Judge a batch of new comments, then one that failed before; True when there may be more to do."""
        fresh = self._pass(lambda connection, lease: claims.claim(connection, self.process, lease, self.batch))
        again = self._pass(lambda connection, lease: _listed(claims.claim_retry(connection, self.process, lease)))
        return self._full(fresh) or bool(again)

    def _full(self, claimed: Sequence[Claimed]) -> bool:
        """Whether the batch ended at its bound of comments or bytes, so that more may be due."""
        size = sum(len(comment.body) for comment in claimed)
        return len(claimed) >= self.batch or size * 4 >= claims.BATCH_BYTES

    def _pass(self, claim: Callable[[Any, UUID], Sequence[Claimed]]) -> Sequence[Claimed]:
        lease = new_id()
        with self.database.connection() as connection:
            claimed = claim(connection, lease)
        if not claimed:
            return claimed
        failpoints.hit("claimed")
        with _heartbeat(self.database, lease):
            try:
                self._judge(claimed)
            except Exception as error:
                blame = not isinstance(error, Busy | Unavailable)
                _log.warning("batch_failed", comments=len(claimed), attempts=claimed[0].attempts, exc_info=True)
                with self.database.connection() as connection:
                    claims.release(connection, claimed, lease, blame=blame)
        return claimed

    def _judge(self, claimed: Sequence[Claimed]) -> None:
        scored = self._score(claimed)
        failpoints.hit("scored")
        with self.database.connection() as connection:
            policy = self._policies_of(connection, {comment.site_id for comment in claimed})
            around = claims.gather(connection, {c.id: policy[c.site_id].repeat_hours for c in claimed})
        rulings = [
            _ruling(comment, judge(facts, policy[comment.site_id]), facts, policy[comment.site_id], self.model)
            for comment in claimed
            if (facts := _facts(comment, scored.get(comment.id), around[comment.id]))
        ]
        failpoints.hit("judged")
        with self.database.transaction() as connection:
            decided = comments.decide(connection, rulings)
            failpoints.hit("deciding")
        failpoints.hit("decided")
        _log.info("decided", claimed=len(claimed), decided=len(decided), states=_tally(decided))

    def _score(self, claimed: Sequence[Claimed]) -> Mapping[UUID, "Scored"]:
        """Scores by comment; a comment without any is left out. One tried too often is not shown to the model again."""
        fit = [comment for comment in claimed if comment.attempts <= claims.MAX_ATTEMPTS]
        if self.model is None or not fit:
            return {}
        failpoints.hit("scoring", *(comment.body for comment in fit))
        found = self.model.score([comment.body for comment in fit])
        return {
            comment.id: Scored({label: getattr(scores, label) for label in LABELS}, scores.language)
            for comment, scores in zip(fit, found, strict=True)
        }

    def _policies_of(self, connection: Any, site_ids: set[UUID]) -> dict[UUID, Policy]:
        found = sites.policies(connection, list(site_ids))
        return {site_id: self._policy(site_id, *found.get(site_id, (0, {}))) for site_id in site_ids}

    def _policy(self, site_id: UUID, version: int, document: Mapping[str, Any]) -> Policy:
        known = self._policies.get((site_id, version))
        if known is None:
            known = policies.read(document, version)
            if len(self._policies) > 10_000:
                self._policies.clear()
            self._policies[site_id, version] = known
        return known


@dataclass(frozen=True, slots=True)
class Scored:
    """The model's answer on one comment."""

    scores: Mapping[str, float | None]
    language: str


def _listed(comment: Claimed | None) -> Sequence[Claimed]:
    return [] if comment is None else [comment]


def _facts(comment: Claimed, scored: Scored | None, around: Surroundings) -> Facts:
    return Facts(
        scores=None if scored is None else scored.scores,
        language="unknown" if scored is None else scored.language,
        links=text.count_links(comment.body),
        repeats=around.repeats,
        length=len(comment.body),
        thread_closed=around.thread_closed,
        verified=comment.author_verified,
        held=comment.state is State.FLAGGED,
        exhausted=comment.attempts > claims.MAX_ATTEMPTS,
    )


def _ruling(comment: Claimed, verdict: Verdict, facts: Facts, policy: Policy, model: Model | None) -> comments.Ruling:
    return comments.Ruling(
        comment_id=comment.id,
        action=verdict.action,
        actor=Actor.POLICY,
        from_state=comment.state,
        version=comment.version,
        content_version=comment.content_version,
        rule=verdict.rule,
        reason=verdict.reason,
        saw=verdict.saw,
        scores=facts.scores,
        detected=facts.language if facts.scores is not None else None,
        model=model.version if model is not None and facts.scores is not None else None,
        policy_version=policy.version,
    )


def _tally(decided: Sequence[comments.Decided]) -> dict[str, int]:
    tally: dict[str, int] = {}
    for decision in decided:
        tally[str(decision.state)] = tally.get(str(decision.state), 0) + 1
    return tally


class _heartbeat:
    """Renews a lease as long as the block runs. The thread only wakes when a batch takes long."""

    def __init__(self, database: Database, lease: UUID) -> None:
        self._database, self._lease = database, lease
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def _run(self) -> None:
        while not self._done.wait(_RENEW_EVERY):
            try:
                with self._database.connection() as connection:
                    claims.renew(connection, self._lease)
            except Exception:  # the lease runs out, and another worker takes over
                _log.warning("heartbeat_failed", exc_info=True)
