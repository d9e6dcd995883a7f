"""A site's thresholds are proposed from what its moderators decided."""

import re

import pytest
import yaml

from service.cli.classifier import _plain
from service.cli.exits import Exit
from tests.service.cli.conftest import Terminal
from tests.world import World
from tools.texts import harmless


def test_nothing_decided_proposes_nothing(at_world: Terminal) -> None:
    """A new site is told so."""
    answer = at_world("classifier", "thresholds")
    assert (answer.code, "has no comments yet" in answer.err) == (Exit.NOTHING, True)


def test_moderators_words_count(at_world: Terminal, world: World) -> None:
    """Rejected ones are harmful by their reason, published ones harmless; what people disagree on moves thresholds."""
    for number in range(40):
        fine = world.published(body=f"score:spam=0.2 {harmless(number)}")
        sold = world.published(body=f"score:spam=0.3 {harmless(1000 + number)}")
        world.decide(sold, "reject", reason="spam")
        if number == 0:
            world.decide(fine, "reject", reason="off_topic")  # says nothing of the classifier
    told = at_world.done("classifier", "thresholds", "--json").data
    assert set(told) == {"proposed", "cautious", "balanced", "open"}
    proposed = told["proposed"]
    assert (proposed["comments"], proposed["harmless"], proposed["harmful"]) == (79, 39, 40)
    assert (proposed["humans"], proposed["wronged"], proposed["missed"]) == (0, 0, 0)
    assert proposed["thresholds"]["spam"] == {"publish_below": 0.25, "reject_above": 0.25}
    assert proposed["thresholds"]["insult"] == {"publish_below": 0.25, "reject_above": 0.96}
    assert (told["cautious"]["humans"], told["open"]["missed"]) == (79, 40)

    shown = at_world.done("classifier", "thresholds", "--missed", 2, "--wronged", 20, "--read", 1, "--last", 1000).out
    assert "Of 79 comments 40 were harmful." in shown
    assert re.search(r"open +0.0% \(0\) +0.0% \(0\) +100.0% \(40\)", shown)
    assert "  spam: {publish_below: 0.25, reject_above: 0.25}" in shown


def test_small_thresholds_are_written_out() -> None:
    """YAML 1.1 reads 1e-05 as a text."""
    shown = [_plain(number) for number in (0.00001, 0.000035, 0.25, 1.0)]
    assert shown == ["0.00001", "0.000035", "0.25", "1.0"]
    assert [yaml.safe_load(one) for one in shown] == [0.00001, 0.000035, 0.25, 1.0]


@pytest.mark.parametrize("cost", ["nan", "inf", "0", "-1", "1e300"])
def test_a_cost_that_is_no_price_is_refused(at_world: Terminal, cost: str) -> None:
    """Before anything is looked up, with the option's name."""
    answer = at_world("classifier", "thresholds", "--wronged", cost)
    assert answer.code == Exit.USAGE
    assert "--wronged" in answer.err
