"""One pass over due comments: claim, classify, gather, judge, decide. Used by the worker's task and by the relay.

No transaction is open while text is classified. Whatever goes wrong, a comment ends with a verdict or with a human.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any
from uuid import UUID

from classifier import LABELS, Context, Model, Scores
from classifier.normalise import Normalised, normalise_all
from service import evidence, failpoints, log
from service.domain.facts import Facts
from service.domain.ids import new_id
from service.domain.lifecycle import Actor, State
from service.domain.policy import Policy, judge
from service.domain.rules import FirstComment, Verdict
from service.rulebook import Rulebook
from service.store import claims, comments, sketches
from service.store.claims import Claimed, Surroundings
from service.store.database import Busy, Connection, Database, Unavailable
from workers.second_look import SecondLook

_log = log.get(__name__)
Claim = Callable[[Connection, UUID], Sequence[Claimed]]
_BY_LABEL = attrgetter(*LABELS)
TIME_LIMIT = 10.0  # seconds after which a pass hangs: then its process is ended, and its claims are not renewed
_RENEW_EVERY = 2.0  # seconds; a claim lasts 6


@dataclass(slots=True)
class Judge:
    """What a process needs to judge: the database, the model (None: none could be loaded), and how much at once.

    second: the second look, where there is a second tier.
    """

    database: Database
    model: Model | None
    batch: int
    kind: str = "worker"
    seconds: float = 1.0  # for which a pass goes on claiming
    second: SecondLook | None = None
    process: str = field(init=False)
    _rulebook: Rulebook = field(default_factory=Rulebook, init=False)

    def __post_init__(self) -> None:
        self.process = f"{self.kind}:{socket.gethostname()}:{os.getpid()}"

    def pass_once(self) -> bool:
        """Judge new comments, batch after batch for about a second, and then those that failed before, one by one.

        Beside a full batch others are judged: while one waits for the database, the other is read. Nothing is judged
        beside what failed before: it may take the process with it. True when there may be more to do.
        """
        until = time.monotonic() + self.seconds
        with _Beside(lambda: self._batches(until)) as beside:
            more = self._batches(until, beside.start)
        return self._retries(more) or more

    def _batches(self, until: float, full_one: Callable[[], None] | None = None) -> bool:
        """Judge batches until nothing is left or the time is up; whether there may be more.

        full_one: called once a full batch is claimed.
        """
        while self._full(self._pass(self._fresh, full_one)):
            if time.monotonic() >= until:
                return True
        return False

    def _retries(self, backlog: bool) -> bool:
        """Judge what failed before, each alone: one at least, for half a pass at most. Whether there may be more."""
        until = time.monotonic() + self.seconds / 2
        while self._pass(
            lambda connection, lease: _listed(claims.claim_retry(connection, self.process, lease, backlog=backlog))
        ):
            if time.monotonic() >= until:
                return True
        return False

    def _full(self, claimed: Sequence[Claimed]) -> bool:
        """Whether the batch ended at its bound of comments or bytes, so that more may be due."""
        size = sum(len(comment.body) for comment in claimed)
        return len(claimed) >= self.batch or size * 4 >= claims.BATCH_BYTES

    def _fresh(self, connection: Connection, lease: UUID) -> Sequence[Claimed]:
        return claims.claim(connection, self.process, lease, self.batch)

    def _pass(self, claim: Claim, full_one: Callable[[], None] | None = None) -> Sequence[Claimed]:
        """Claim, and judge what was claimed. full_one: called in between when that is a full batch."""
        lease = new_id()
        with self.database.connection() as connection:
            claimed = claim(connection, lease)
        if not claimed:
            return claimed
        failpoints.hit("claimed")
        if full_one is not None and self._full(claimed):
            full_one()
        with _heartbeat(self.database, lease):
            try:
                self._judge(claimed, lease)
            except Exception as error:
                blame = not isinstance(error, Busy | Unavailable)
                _log.warning("batch_failed", comments=len(claimed), attempts=claimed[0].attempts, exc_info=True)
                with self.database.connection() as connection:
                    claims.release(connection, lease, blame=blame)
        return claimed

    def _judge(self, claimed: Sequence[Claimed], lease: UUID) -> None:
        with self.database.connection() as connection:
            policy = self._rulebook.of(connection, list({comment.site_id for comment in claimed}))
        read = _read(claimed)
        likely = evidence.sketches_of(
            ((one.site_id, one, policy[one.site_id]) for one in claimed if one.id in read),
            {comment_id: form.text for comment_id, form in read.items()},
        )
        with self.database.connection() as connection:
            sketches.keep(connection, likely)
        scored = self._score([one for one in claimed if one.id in read], read)
        failpoints.hit("scored")
        with self.database.connection() as connection:
            around = _gather(connection, claimed, policy)
            alike = sketches.likeness(connection, likely)
        judged = []
        for comment in claimed:
            own, form, scores = policy[comment.site_id], read.get(comment.id), scored.get(comment.id)
            facts = evidence.facts(
                comment, own, _by_label(scores), "unknown" if scores is None else scores.language,
                around[comment.id], alike.get(comment.id, 0.0), "" if form is None else form.text,
                held=comment.state is State.FLAGGED, exhausted=comment.attempts > claims.MAX_ATTEMPTS,
            )  # fmt: skip
            judged.append(_Judged(comment, own, facts, judge(facts, own)))
        if self.second is not None:
            judged = _looked_again(self.second, judged, scored, read)
        rulings = [_ruling(one, self.model) for one in judged]
        failpoints.hit("judged")
        with self.database.transaction() as connection:
            decided = comments.decide(connection, rulings)
            claims.end(connection, lease)
            failpoints.hit("deciding")
        failpoints.hit("decided")
        _log.info("decided", claimed=len(claimed), decided=len(decided), states=_tally(decided))

    def _score(self, fit: Sequence[Claimed], read: Mapping[UUID, Normalised]) -> Mapping[UUID, Scores]:
        """Scores by comment; none without a model."""
        if self.model is None or not fit:
            return {}
        failpoints.hit("scoring", *(comment.body for comment in fit))
        beside = [Context(name=comment.name, website=comment.website or "") for comment in fit]
        found = self.model.score([comment.body for comment in fit], [read[comment.id] for comment in fit], beside)
        return {comment.id: scores for comment, scores in zip(fit, found, strict=True)}


@dataclass(frozen=True, slots=True)
class _Judged:
    """A comment with its site's policy, the facts and the verdict on them. tiers: what a second look added."""

    comment: Claimed
    policy: Policy
    facts: Facts
    verdict: Verdict
    tiers: Mapping[str, Any] | None = None


def _looked_again(
    second: SecondLook, judged: Sequence[_Judged], scored: Mapping[UUID, Scores], read: Mapping[UUID, Normalised]
) -> list[_Judged]:
    """All of them, judged anew where the second tier was asked."""
    asked = [
        one
        for one in judged
        if one.facts.scored and not one.facts.exhausted and second.wants(scored[one.comment.id], one.verdict)
    ]
    answers = second.look([scored[one.comment.id] for one in asked], [read[one.comment.id] for one in asked])
    anew = {one.comment.id: _anew(second, one, answer) for one, answer in zip(asked, answers, strict=True)}
    return [anew.get(one.comment.id, one) for one in judged]


def _anew(second: SecondLook, one: _Judged, answer: Scores | None) -> _Judged:
    """The verdict with the second tier's answer, or without one: then what was to be published waits for a human."""
    facts = replace(one.facts, unsure=True) if answer is None else replace(one.facts, scores=_by_label(answer))
    tiers = {
        "second": None if answer is None or second.tier is None else second.tier.version,
        "first": one.facts.scores,
        "first_action": str(one.verdict.action),
    }
    return replace(one, facts=facts, verdict=judge(facts, one.policy), tiers=tiers)


def _by_label(scores: Scores | None) -> Mapping[str, float | None] | None:
    return None if scores is None else dict(zip(LABELS, _BY_LABEL(scores), strict=True))


def _listed(comment: Claimed | None) -> Sequence[Claimed]:
    return [] if comment is None else [comment]


def _gather(connection: Any, claimed: Sequence[Claimed], policy: Mapping[UUID, Policy]) -> Mapping[UUID, Surroundings]:
    hours = {c.id: rule.hours if (rule := policy[c.site_id].repeats) else 0 for c in claimed}
    return claims.gather(connection, hours, first=any(one.asks(FirstComment) for one in policy.values()))


def _read(claimed: Sequence[Claimed]) -> dict[UUID, Normalised]:
    """Bodies as the classifier reads them, by comment; each is read once. One tried too often is not read again."""
    fit = [one for one in claimed if one.attempts <= claims.MAX_ATTEMPTS]
    return dict(zip((one.id for one in fit), normalise_all([one.body for one in fit]), strict=True))


def _ruling(judged: _Judged, model: Model | None) -> comments.Ruling:
    comment, facts, verdict = judged.comment, judged.facts, judged.verdict
    scored = facts.scored  # what is no probability is kept nowhere
    return comments.Ruling(
        comment_id=comment.id,
        action=verdict.action,
        actor=Actor.POLICY,
        from_state=comment.state,
        version=comment.version,
        content_version=comment.content_version,
        rule=verdict.rule,
        reason=verdict.reason,
        saw=verdict.as_record() if judged.tiers is None else {**verdict.as_record(), "tiers": judged.tiers},
        scores=facts.scores if scored else None,
        detected=facts.language if facts.scores is not None else None,
        model=_version(model, judged.tiers) if scored else None,
        policy_version=judged.policy.version,
    )


def _version(model: Model | None, tiers: Mapping[str, Any] | None) -> str | None:
    """Which model the scores are of: the first tier's version, and that of the second where it answered."""
    if model is None:
        return None
    return f"{model.version}+{tiers['second']}" if tiers and tiers["second"] else model.version


def _tally(decided: Sequence[comments.Decided]) -> dict[str, int]:
    tally: dict[str, int] = {}
    for decision in decided:
        tally[str(decision.state)] = tally.get(str(decision.state), 0) + 1
    return tally


class _Beside:
    """Work done in a thread of its own from `start` on, at most once.

    The block's end waits for it, whatever is raised meanwhile: work that hangs must hold up its task, so that the
    task's time limit ends the process, and with it the heartbeat that would keep the claim for ever.
    """

    def __init__(self, work: Callable[[], object]) -> None:
        self._thread = threading.Thread(target=_logged, args=(work,), name="beside", daemon=True)

    def start(self) -> None:
        """Begin, unless it has begun."""
        if self._thread.ident is None:
            self._thread.start()

    def __enter__(self) -> "_Beside":
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.ident is not None:
            self._thread.join()


def _logged(work: Callable[[], object]) -> None:
    try:
        work()
    except (Busy, Unavailable):
        _log.warning("database_away", exc_info=True)
    except Exception:
        _log.error("beside_failed", exc_info=True)


class _heartbeat:
    """Renews a lease as long as the block runs, and no longer than a pass may take: what hangs must not keep its claim.

    The thread only wakes when a batch takes long.
    """

    def __init__(self, database: Database, lease: UUID) -> None:
        self._database, self._lease = database, lease
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def _run(self) -> None:
        until = time.monotonic() + TIME_LIMIT
        while not self._done.wait(_RENEW_EVERY) and time.monotonic() < until:
            try:
                with self._database.connection() as connection:
                    claims.renew(connection, self._lease)
            except Exception:  # the lease runs out, and another worker takes over
                _log.warning("heartbeat_failed", exc_info=True)
