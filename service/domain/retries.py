"""When a delivery is tried again, and when an endpoint is left in peace."""

from dataclasses import dataclass
from enum import StrEnum

#: Seconds after each attempt that failed until the next one: about three days in all.
WAITS = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
TRIES = len(WAITS) + 1
SPREAD = 0.1  # a wait is up to so much longer or shorter, so that what failed together does not come back together
PATIENCE_DAYS = 3  # an endpoint that only failed for so long is disabled
IN_FLIGHT = 4  # messages to one endpoint at once
SHAKY = 3  # failures in a row after which it is probed, one message at a time, with pauses that double
LONGEST_PAUSE = 300.0
LONGEST_ASKED = 3_600.0  # of what a receiver may ask for in Retry-After
SLOW_DOWN = 5.0  # for a receiver that says it is overloaded, and not for how long
_OVERLOADED = frozenset({429, 502, 503, 504})
_GONE = 410


class Outcome(StrEnum):
    """What an attempt came to."""

    DELIVERED = "delivered"
    FAILED = "failed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from an attempt.

    wait: seconds until the next one; None when there is none. pause: seconds for which the endpoint asked for peace.
    """

    outcome: Outcome
    wait: float | None
    pause: float


def judge(status: int | None, retry_after: float | None, attempts: int, chance: float) -> Verdict:
    """What follows from the answer to the attempt of this number.

    status: of the answer, None without one. retry_after: seconds that the receiver asked for.
    chance: from 0 to 1, at random.
    """
    if status is not None and 200 <= status < 300:
        return Verdict(Outcome.DELIVERED, None, 0.0)
    pause = _asked(status, retry_after)
    outcome = Outcome.GONE if status == _GONE else Outcome.FAILED
    if attempts >= TRIES:
        return Verdict(outcome, None, pause)
    wait = WAITS[max(attempts, 1) - 1] * (1 + SPREAD * (2 * chance - 1))
    return Verdict(outcome, max(wait, pause), pause)


def _asked(status: int | None, retry_after: float | None) -> float:
    """For how long a receiver wants nothing; bounded, so that none can stop its own deliveries for good."""
    if status not in _OVERLOADED:
        return 0.0
    return SLOW_DOWN if retry_after is None else min(max(retry_after, 0.0), LONGEST_ASKED)
