"""What a policy hardly means is said; what it may well mean is not."""

from typing import Any

import pytest

from service.domain import lint, policies
from service.domain.policy import Policy
from service.evidence import normal


def said(*rules: dict[str, Any]) -> list[tuple[str, str]]:
    """The doubts about a policy of these rules."""
    document = {"rules": [*rules] if any(rule["rule"] == "scores" for rule in rules) else [*rules, {"rule": "scores"}]}
    return [(one.rule, one.text) for one in lint.warnings(policies.read(document, 1, normal), normal)]


def test_the_built_in_policy_is_beyond_doubt() -> None:
    """As is an ordinary list of words."""
    assert lint.warnings(Policy(), normal) == []
    assert (
        said({"rule": "match", "name": "n", "words": ["casino", "viag*", "poker room"], "domains": ["spam.example"]})
        == []
    )
    assert said({"rule": "match", "name": "n", "patterns": [r"\bcheap\s+pills?\b", r"^\W*buy now"]}) == []


@pytest.mark.parametrize(
    ("rule", "doubts"),
    [
        ({"rule": "match", "name": "n", "words": ["the"]}, ["holds 'the', which stands in ordinary comments"]),
        (
            {"rule": "match", "name": "n", "words": ["thank you", "free"]},
            ["holds 'free', which stands in ordinary comments", "holds 'thank you', which stands in ordinary comments"],
        ),
        ({"rule": "match", "name": "n", "words": ["wr*"]}, ["holds 'wr*', which stands in ordinary comments"]),
        ({"rule": "match", "name": "n", "patterns": ["e"]}, ["matches every comment"]),
        ({"rule": "match", "name": "n", "patterns": ["z*"]}, ["matches every comment"]),
        ({"rule": "match", "name": "n", "patterns": ["a^b"]}, ["holds the pattern 'a^b', which matches nothing"]),
        ({"rule": "links", "most": 1000}, ["fires for no comment that fits into a request"]),
        ({"rule": "repeats", "similarity": 0.3}, ["takes texts for repeats that share little"]),
        ({"rule": "audit", "share": 0}, ["samples nothing"]),
        (
            {"rule": "scores", "thresholds": {"spam": {"publish_below": 0, "reject_above": 1}}},
            ["lets no comment pass: a label is published below 0"],
        ),
    ],
)
def test_a_doubt_names_its_rule(rule: dict[str, Any], doubts: list[str]) -> None:
    """In a sentence that says what to look at."""
    title = f"match: {rule['name']}" if "name" in rule else rule["rule"]
    found = [text for name, text in said(rule) if name == title]
    assert found == doubts


def test_thresholds_that_let_everything_pass() -> None:
    """Whatever the model says."""
    loose = {
        label: {"publish_below": 1, "reject_above": 1}
        for label in ("spam", "toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack")
    }
    assert said({"rule": "scores", "thresholds": loose}) == [
        ("scores", "lets every comment pass, whatever the model says of it")
    ]


def test_what_stands_behind_a_rule_that_fires_always_is_never_asked() -> None:
    """Each of them is named; in shadow it hides nothing."""
    everything = {"rule": "match", "name": "all", "patterns": ["z*"]}
    hidden = [(name, text) for name, text in said(everything, {"rule": "links"}) if "never asked" in text]
    assert [name for name, _ in hidden] == ["links", "scores"]
    assert not [text for _, text in said({**everything, "status": "shadow"}) if "never asked" in text]
