"""Thresholds follow from what errors cost; a site's own comments, where there are enough, have the last word."""

from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.reasons import LABELS
from service.domain.rules import Thresholds
from service.domain.thresholds import ENOUGH, PRESETS, Costs, Judged, Outcome, by_costs, outcome, propose

QUIET = dict.fromkeys(LABELS, 0.0)


def _comments(count: int, seed: int, label: str = "spam") -> list[Judged]:
    """Comments whose scores for `label` are calibrated: one in p of them is harmful."""
    random = Random(seed)
    found = []
    for _ in range(count):
        score = round(random.betavariate(0.4, 1.2), 3)
        found.append(Judged({**QUIET, label: score}, label if random.random() < score else None))
    return found


def _spent(comments: list[Judged], label: str, limits: Thresholds, costs: Costs) -> float:
    result = outcome(comments, {**dict.fromkeys(LABELS, Thresholds(1.0, 1.0)), label: limits})
    return costs.missed * result.missed + costs.wronged * result.wronged + costs.read * result.humans


def test_costs_alone_give_thresholds() -> None:
    """Publish while missing costs less than reading, reject when wronging does; grave labels are read earlier."""
    found = by_costs(Costs(missed=4, wronged=25))
    assert found["spam"] == Thresholds(0.25, 0.96)
    assert found["threat"] == Thresholds(0.05, 0.96)


def test_reading_that_costs_more_than_errors_is_not_asked_for() -> None:
    """Then one threshold is left, where both errors cost the same."""
    assert by_costs(Costs(missed=1, wronged=3, read=10))["spam"] == Thresholds(0.75, 0.75)


@pytest.mark.parametrize("costs", [Costs(4, 25), Costs(10, 50), Costs(2, 3), Costs(1, 1, 5)])
def test_no_thresholds_would_have_cost_less(costs: Costs) -> None:
    """The proposal is at least as cheap, on the comments it was made from, as any pair tried by hand."""
    comments = _comments(400, seed=3)
    spent = _spent(comments, "spam", propose(comments, costs)["spam"], costs)
    grid = [at / 20 for at in range(21)]
    tried = [_spent(comments, "spam", Thresholds(low, high), costs) for low, high in product(grid, grid) if low <= high]
    assert spent <= min(tried) + 1e-9


def test_calibrated_scores_lead_to_the_same_thresholds() -> None:
    """Where probabilities are right, what comments say is near what costs say."""
    found = propose(_comments(20_000, seed=5), Costs(4, 25))["spam"]
    assert found.publish_below == pytest.approx(0.25, abs=0.08)
    assert found.reject_above == pytest.approx(0.96, abs=0.04)


def test_scores_far_below_a_percent_are_told_apart() -> None:
    """Harmless ones near 0.00001 are published and threats near 0.00005 rejected; nobody is wronged by rounding."""
    comments = [Judged({**QUIET, "threat": 0.00001}, None)] * 50 + [Judged({**QUIET, "threat": 0.00005}, "threat")] * 40
    costs = Costs(4, 25)
    found = propose(comments, costs)["threat"]
    assert 0.00001 < found.publish_below <= found.reject_above <= 0.00005
    assert _spent(comments, "threat", found, costs) == 0


_SCORE = st.one_of(
    st.integers(0, 20).map(lambda number: number / 1_000_000),
    st.integers(999_990, 1_000_000).map(lambda number: number / 1_000_000),
    st.floats(0, 1),
    st.floats(0, 1e-5),
)


@given(
    st.lists(st.tuples(_SCORE, st.booleans()), max_size=40),
    st.sampled_from([Costs(4, 25), Costs(10, 2), Costs(1, 1, 5)]),
)
@settings(max_examples=300, deadline=None)
def test_a_proposal_does_what_it_was_chosen_for(pairs: list[tuple[float, bool]], costs: Costs) -> None:
    """Whatever the scores, however near each other: no thresholds at all would have cost less on them."""
    pairs += [(0.3, True), (0.2, False)] * ENOUGH
    comments = [Judged({**QUIET, "spam": score}, "spam" if harm else None) for score, harm in pairs]
    cuts = sorted({0.0, 1.0, *(score for score, _ in pairs)})
    tried = [_spent(comments, "spam", Thresholds(low, high), costs) for low, high in product(cuts, cuts) if low <= high]
    assert _spent(comments, "spam", propose(comments, costs)["spam"], costs) == pytest.approx(min(tried))


def test_few_comments_say_nothing() -> None:
    """With fewer harmful comments than enough, costs alone decide."""
    comments = [Judged({**QUIET, "spam": 0.1}, "spam")] * (ENOUGH - 1) + [Judged(QUIET, None)] * 500
    assert propose(comments, Costs(4, 25)) == by_costs(Costs(4, 25))


def test_an_outcome_counts_each_comment_once() -> None:
    """Any label may reject, all must let pass; a label without an opinion does not count."""
    limits = dict.fromkeys(LABELS, Thresholds(0.3, 0.9))
    comments = [
        Judged({**QUIET, "spam": 0.95}, None),
        Judged({**QUIET, "spam": 0.95, "insult": 0.5}, "spam"),
        Judged({**QUIET, "insult": 0.5}, None),
        Judged({**QUIET, "insult": 0.2}, "insult"),
        Judged(dict.fromkeys(LABELS), None),
    ]
    found = outcome(comments, limits)
    assert found == Outcome(harmless=3, harmful=2, humans=1, wronged=1, missed=1)
    assert found.total == 5


def test_presets_go_from_cautious_to_open() -> None:
    """The more open, the fewer go to humans and the more pass."""
    comments = _comments(5_000, seed=7)
    found = [outcome(comments, by_costs(PRESETS[name])) for name in ("cautious", "balanced", "open")]
    assert found[0].humans > found[1].humans > found[2].humans
    assert found[0].missed < found[1].missed < found[2].missed
    assert found[0].wronged <= found[1].wronged <= found[2].wronged


@pytest.mark.parametrize("cost", [0.0, -1.0, float("nan"), float("inf")])
def test_a_cost_is_positive_and_finite(cost: float) -> None:
    """Free errors make no thresholds, nor do those that nothing outweighs, in whichever place they stand."""
    for costs in ((cost, 1.0, 1.0), (1.0, cost, 1.0), (1.0, 1.0, cost)):
        with pytest.raises(ValueError, match="a cost must be"):
            Costs(*costs)


def test_costs_far_apart_reject_nobody_at_zero() -> None:
    """However cheap it is to wrong somebody, a score of nothing is not rejected."""
    assert by_costs(Costs(missed=1e9, wronged=0.1, read=1e9))["spam"].reject_above > 0
