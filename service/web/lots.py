"""Submissions that are there at the same time are taken together: one statement and one commit stores them all.

Each is counted and answered for itself. Whatever the store leaves out of a lot - a new thread, a key that was used, a
comment that cannot be answered - is taken back from the counts, and taken alone, as if nobody had tried.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from service import failpoints
from service.domain.submission import Submission
from service.store import submissions
from service.store.database import Unavailable
from service.store.sites import Site
from service.store.submissions import Accepted, RequestKey
from service.web.api import comments
from service.web.errors import Problem, with_headers
from service.web.limits import Spent
from service.web.services import Services

#: What became of one: it was accepted, with its RateLimit fields; a problem; None: it has to be taken alone.
Taken = tuple[Accepted, Mapping[str, str]] | Problem | None


@dataclass(frozen=True, slots=True)
class Piece:
    """One of a lot."""

    site: Site
    submission: Submission
    key: RequestKey


@dataclass(frozen=True, slots=True)
class Counted:
    """A lot that was counted. spent: None for one over a limit, which was not. rows: of the others, for the store."""

    pieces: Sequence[Piece]
    spent: Sequence[Spent | None]
    rows: str | None


def count(services: Services, pieces: Sequence[Piece]) -> Counted:
    """Count submissions, one after the other."""
    spent = [_spent(services, piece) for piece in pieces]
    within = [(piece.submission, piece.key) for piece, one in zip(pieces, spent, strict=True) if one is not None]
    return Counted(pieces, spent, submissions.rows(within) if within else None)


def take(services: Services, lot: Counted) -> list[Taken]:
    """Store what was counted, and ring; what became of each, in order."""
    try:
        stored = set() if lot.rows is None else _stored(services, lot.rows)
    except Unavailable as error:
        return [None if one is None else _lost(services, one, error) for one in lot.spent]
    if stored:
        services.ring()
    return [_taken(services, piece, one, stored) for piece, one in zip(lot.pieces, lot.spent, strict=True)]


def _spent(services: Services, piece: Piece) -> Spent | None:
    try:
        return comments.admit(services, piece.site, piece.submission)
    except Problem:
        return None


def _stored(services: Services, rows: str) -> set[UUID]:
    """The ids of those that are stored. Raises Unavailable when that is not known, or nothing can be stored now.

    Any other error says that one of them is at fault, or that somebody holds what it needs. Which one, each finds out
    alone, without harm: it has a key, so that what was stored after all is only found again.
    """
    try:
        with services.database.connection() as connection:
            stored = submissions.submit_many(connection, rows)
            if stored:
                failpoints.hit("committed")
    except Unavailable:
        raise
    except Exception:
        return set()
    return stored


def _lost(services: Services, spent: Spent, error: Unavailable) -> Problem:
    return with_headers(error, services.limits.give_back(spent, bursts=False))


def _taken(services: Services, piece: Piece, spent: Spent | None, stored: set[UUID]) -> Taken:
    if spent is None:
        return None
    if piece.submission.id not in stored:
        services.limits.give_back(spent, bursts=True)
        return None
    return Accepted(piece.submission.id), spent.fields
