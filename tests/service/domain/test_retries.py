"""What follows from an answer."""

import pytest

from service.domain.retries import LONGEST_ASKED, SLOW_DOWN, SPREAD, TRIES, WAITS, Outcome, Verdict, judge


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_receiver_that_says_yes_is_done_with(status: int) -> None:
    """Whatever else it says."""
    assert judge(status, 60.0, 3, 0.5) == Verdict(Outcome.DELIVERED, None, 0.0)


@pytest.mark.parametrize("status", [None, 100, 199, 300, 301, 302, 307, 308, 400, 401, 404, 408, 500, 501])
def test_everything_else_is_tried_again(status: int | None) -> None:
    """After the wait of its attempt; a Retry-After counts only where a receiver says that it is overloaded."""
    assert judge(status, None, 1, 0.5) == Verdict(Outcome.FAILED, WAITS[0], 0.0)
    assert judge(status, 600.0, 1, 0.5).wait == WAITS[0]


def test_the_waits_make_about_three_days() -> None:
    """Ten attempts; each wait a tenth longer or shorter by chance, and after the last there is none."""
    assert sum(WAITS) == pytest.approx(3.15 * 86_400, rel=0.01)
    assert TRIES == 10
    for attempt, wait in enumerate(WAITS, 1):
        assert judge(500, None, attempt, 0.0).wait == pytest.approx(wait * (1 - SPREAD))
        assert judge(500, None, attempt, 1.0).wait == pytest.approx(wait * (1 + SPREAD))
    assert judge(500, None, TRIES, 0.5) == Verdict(Outcome.FAILED, None, 0.0)
    assert judge(500, None, TRIES + 3, 0.5).wait is None


def test_a_receiver_that_is_gone_is_told_apart() -> None:
    """By 410 alone."""
    assert judge(410, None, 1, 0.5).outcome is Outcome.GONE
    assert judge(404, None, 1, 0.5).outcome is Outcome.FAILED


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_an_overloaded_receiver_is_left_in_peace(status: int) -> None:
    """As long as it asks, up to an hour; for some seconds where it does not say."""
    assert judge(status, 120.0, 1, 0.5) == Verdict(Outcome.FAILED, 120.0, 120.0)
    assert judge(status, 1.0, 3, 0.5) == Verdict(Outcome.FAILED, WAITS[2], 1.0)
    assert judge(status, 1e9, 1, 0.5) == Verdict(Outcome.FAILED, LONGEST_ASKED, LONGEST_ASKED)
    assert judge(status, None, 1, 0.5).pause == SLOW_DOWN
    assert judge(status, -5.0, 1, 0.5).pause == 0.0
