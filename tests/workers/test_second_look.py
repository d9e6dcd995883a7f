"""The second look: asked in doubt alone, shown where it decided, and never a reason to publish."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from classifier.artifact import checksum_path
from classifier.normalise import Normalised
from classifier.second.model import SecondTier, load
from service import failpoints
from service.web.console import words
from service.web.pages import percent
from tests.world import World
from workers import second_look
from workers.judging import Judge
from workers.second_look import SecondLook

TINY = Path(__file__).parents[1] / "classifier" / "tiny.tier2"
BAND = (0.1, 0.95)


class Noted(SecondTier):
    """The tiny second tier, which notes how many texts it was asked about."""

    asked: list[int]

    def score(self, first: Sequence[Any], texts: Sequence[Normalised], until: float | None = None) -> list[Any]:
        self.asked.append(len(texts))
        return super().score(first, texts, until)


@pytest.fixture(autouse=True)
def _no_failpoints() -> None:
    failpoints._ACTIONS.clear()


@pytest.fixture
def tier() -> Noted:
    loaded = load(TINY)
    loaded.__class__ = Noted
    loaded.asked = []  # type: ignore[attr-defined]
    return loaded  # type: ignore[return-value]


@pytest.fixture
def looking(world: World, tier: Noted) -> World:
    """A world whose worker has the tiny second tier."""
    return _with(world, SecondLook(tier, BAND))


def _with(world: World, second: SecondLook | None) -> World:
    judge = Judge(world.judge.database, world.model, 200, second=second)  # type: ignore[arg-type]
    return replace(world, judge=judge)


def _settled(world: World, body: str) -> tuple[str, dict[str, Any]]:
    made = world.submit(body=body)
    world.settle()
    return world.status(made)["status"], world.review(made)


def test_an_uncertain_comment_is_read_by_both(looking: World, tier: Noted) -> None:
    """The first would have published it; both together hold it, and the decision remembers what each said."""
    status, review = _settled(looking, "score:toxicity=0.3 you are an idiot")
    assert (status, review["rule"], review["label"]) == ("flagged", "scores", "toxicity")
    assert review["scores"]["toxicity"] > 0.9
    assert review["saw"]["tiers"]["first"]["toxicity"] == 0.3
    assert review["saw"]["tiers"]["first_action"] == "publish"
    assert review["saw"]["tiers"]["second"] == tier.version
    assert review["model"] == review["decisions"][0]["model"] == f"words-1+{tier.version}"


def test_the_second_look_may_publish_what_the_first_held(looking: World) -> None:
    """What goes to moderators is read too, whatever its score."""
    made = looking.submit(body="score:toxicity=0.5 thanks for this, you are right")
    looking.settle()
    assert looking.status(made)["status"] == "published"


def test_what_is_certain_is_not_read_again(looking: World, tier: Noted) -> None:
    """Below the band and above it the first tier decides alone; so does a rule that rejects for another reason."""
    assert _settled(looking, "you are an idiot")[0] == "published"
    status, review = _settled(looking, "score:toxicity=0.99 thanks for this")
    assert (status, review["model"], "tiers" in review["saw"]) == ("rejected", "words-1", False)
    looking.policy({"rule": "match", "name": "own", "words": ["pills"], "then": "reject"})
    assert _settled(looking, "score:toxicity=0.3 pills")[0] == "rejected"
    assert tier.asked == []


def test_what_a_rule_holds_is_read_for_the_moderator(looking: World, tier: Noted) -> None:
    """Its scores are of both tiers; the rule still holds it."""
    links = " ".join(f"https://a{n}.example/" for n in range(5))
    status, review = _settled(looking, f"thanks for this {links}")
    assert (status, review["rule"], tier.asked) == ("flagged", "links", [1])
    assert review["saw"]["links"] == 5
    assert review["saw"]["tiers"]["first_action"] == "flag"


def test_a_language_that_it_does_not_read_is_left_alone(looking: World, tier: Noted) -> None:
    """Such a comment goes to a human as before."""
    status, review = _settled(looking, "language:ko score:toxicity=0.5")
    assert (status, review["label"], tier.asked) == ("flagged", "language", [])


def test_one_batch_is_one_question(looking: World, tier: Noted) -> None:
    """All that is in doubt is asked at once."""
    for number in range(6):
        looking.submit(body=f"score:toxicity=0.3 number {number}")
        looking.submit(body=f"this is comment number {number}")
    looking.settle()
    assert tier.asked == [6]


def _expect_only_humans(world: World) -> None:
    """In doubt nothing is published, what is certain goes on, and what was held or rejected stays so."""
    doubt, review = _settled(world, "score:toxicity=0.3 thanks for this")
    assert (doubt, review["rule"], review["label"]) == ("flagged", "no_second_look", "no_score")
    assert review["saw"]["tiers"]["second"] is None
    assert (review["scores"]["toxicity"], review["model"]) == (0.3, "words-1")
    assert _settled(world, "this is comment number one")[0] == "published"
    held, review = _settled(world, "score:toxicity=0.5 thanks for this")
    assert (held, review["rule"]) == ("flagged", "scores")
    assert _settled(world, "score:threat=0.91 it is for you")[0] == "rejected"


def test_a_failure_never_publishes(looking: World) -> None:
    """The first tier's result stands, with a human where it was in doubt."""
    failpoints.arm("looking_again=raise")
    _expect_only_humans(looking)


def test_slowness_never_publishes(world: World, tier: Noted) -> None:
    """What is not reached in time goes without."""
    _expect_only_humans(_with(world, SecondLook(tier, BAND, seconds=-1.0)))


def test_a_damaged_file_never_publishes(world: World, tmp_path: Path) -> None:
    """A second tier that is there and was refused fails each look, until it is mended or taken away."""
    path = tmp_path / "second.tier2"
    path.write_bytes(TINY.read_bytes()[:-1])
    checksum_path(path).write_text(checksum_path(TINY).read_text())
    found = second_look.find(path, BAND)
    assert found is not None
    assert found.tier is None
    _expect_only_humans(_with(world, found))


def test_without_a_second_tier_the_first_decides_alone(world: World) -> None:
    """As it always did."""
    assert _settled(_with(world, None), "score:toxicity=0.3 you are an idiot")[0] == "published"


def test_a_worker_finds_it_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its path or where it is looked for; `off` turns it off."""
    monkeypatch.setattr(second_look.finding, "DEFAULT", tmp_path / "absent.tier2")
    assert second_look.find(None, BAND) is None
    monkeypatch.setattr(second_look.finding, "DEFAULT", TINY)
    for path in (None, TINY):
        found = second_look.find(path, BAND)
        assert found is not None
        assert found.tier is not None
        assert found.band == BAND
    assert second_look.find(TINY, None) is None


def test_a_changed_comment_is_looked_at_anew(looking: World, tier: Noted) -> None:
    """A new text is another comment to both tiers."""
    made = looking.submit(body="score:toxicity=0.3 thanks for this")
    looking.settle()
    assert looking.status(made)["status"] == "published"
    edited = {"body": "score:toxicity=0.3 you are an idiot"}
    assert looking.request("PATCH", f"/v1/comments/{made['id']}", looking.secret_key, edited).status_code == 202
    looking.settle()
    assert looking.status(made)["status"] == "flagged"
    assert tier.asked == [1, 1]


def test_a_moderator_sees_both_tiers(looking: World) -> None:
    """What each said, in a sentence, and that the words shown spoke in the first."""
    _, review = _settled(looking, "score:toxicity=0.3 you are an idiot")
    saw, scores = review["saw"], review["scores"]
    assert words.second_look(saw, scores) == [
        "Two tiers read it: for “Toxic” the first alone gives 30 %, both together "
        f"{percent(scores['toxicity'])}. The words named here spoke in the first."
    ]
    assert words.second_look({"tiers": {**saw["tiers"], "second": None}}, scores) == [
        "The second tier gave no answer; the scores are those of the first."
    ]
    assert words.second_look({}, scores) == []
