"""Calibration error: zero for what is true, large for what is not, and a perfect model has a little."""

import numpy as np
import pytest

from classifier import calibration

RANDOM = np.random.default_rng(3)
CHANCE = RANDOM.beta(0.6, 2.0, size=20_000).clip(0.001, 0.999)
TRUTH = RANDOM.random(CHANCE.size) < CHANCE
RATE = float(TRUTH.mean())


def test_bins_weigh_the_same() -> None:
    """Fifteen bins in order of probability, each with a fifteenth of the weight."""
    found = calibration.bins(CHANCE, TRUTH, np.ones(CHANCE.size))
    assert len(found) == calibration.BINS
    assert [one.weight for one in found] == pytest.approx([1 / 15] * 15, abs=1e-3)
    assert [one.given for one in found] == sorted(one.given for one in found)


def test_error_of_a_case_worked_out_by_hand() -> None:
    """Two bins: 0.1 given and 0.5 true, 0.9 given and 1.0 true."""
    chance, truth = np.array([0.1, 0.1, 0.9, 0.9]), np.array([True, False, True, True])
    found = calibration.bins(chance, truth, np.ones(4), count=2)
    assert calibration.error(found) == pytest.approx((0.4 + 0.1) / 2)


def _error_and_limit(seed: int, sure: float) -> tuple[float, float]:
    """Of 4,000 rows whose true odds are the given ones; `sure` multiplies the odds that the model gives."""
    random = np.random.default_rng(seed)
    true = random.beta(0.6, 2.0, size=4_000).clip(0.001, 0.999)
    truth = random.random(true.size) < true
    given = 1 / (1 + np.exp(-sure * np.log(true / (1 - true))))
    rate = float(true.mean())
    found = calibration.bins(given, truth, calibration.natural_weights(truth, rate))
    return calibration.error(found), calibration.perfect_error(given, rate, truth)


def test_a_perfect_model_is_within_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """In nineteen of twenty draws, as a 95th percentile says; five of twenty would be chance in one of 400 runs."""
    monkeypatch.setattr(calibration, "_DRAWS", 200)
    pairs = [_error_and_limit(seed, sure=1.0) for seed in range(20)]
    assert sum(error > limit for error, limit in pairs) < 5
    assert max(limit for _, limit in pairs) < 0.04


def test_a_model_that_is_too_sure_is_beyond_it() -> None:
    """Odds multiplied by 1.5 give an error that no perfect model has."""
    error, limit = _error_and_limit(1, sure=1.5)
    assert error > 1.5 * limit


@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_odds_can_be_moved_to_another_share(rate: float) -> None:
    """Calibrated odds moved to another share of positives are calibrated for rows weighted to that share."""
    odds = calibration.shifted(np.log(CHANCE / (1 - CHANCE)), RATE, rate)
    chance = 1 / (1 + np.exp(-odds))
    weights = calibration.natural_weights(TRUTH, rate)
    assert weights[TRUTH].sum() == pytest.approx(rate)
    limit = calibration.perfect_error(chance, rate, TRUTH)
    assert calibration.error(calibration.bins(chance, TRUTH, weights)) <= 1.5 * limit
