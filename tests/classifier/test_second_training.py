"""What a second tier learns from, as far as no torch is needed: rows, batches, steps and blend."""

from pathlib import Path
from random import Random

import numpy as np
import pytest

from classifier import LABELS, targets
from classifier.augment import COUNTER_SPEECH, NEUTRAL_IDENTITY
from classifier.data import DataError, Row, read
from classifier.disguise import HELD_OUT
from classifier.second import blend, kept, mix
from classifier.second.batches import in_order, shuffled
from classifier.second.mix import Mix
from classifier.second.steps import LARGEST, quantised, scale
from tests.classifier import samples

TOXICITY = LABELS.index("toxicity")


@pytest.fixture(scope="module")
def rows(data: Path) -> list[Row]:
    return read(data).split("train")


def test_a_network_goes_on_only_with_what_it_was_begun_with(data: Path) -> None:
    """Another family left out, other data or settings, or a file that does not say: begin elsewhere."""
    corpus, path = read(data), Path("kept.pt")
    begun = kept.begun(corpus, {"tokens": 5}, ["ads"])
    kept.check(path, {"network": 1, **begun}, kept.begun(corpus, {"tokens": 5}, ["ads", "ads"]))
    for name, other in (("without", []), ("data", {}), ("settings", {"tokens": 6})):
        with pytest.raises(DataError, match=f"other {name}: begin in another folder"):
            kept.check(path, begun | {name: other}, begun)
    with pytest.raises(DataError, match=r"does not say .*data, without"):
        kept.check(path, {"settings": {"tokens": 5}}, begun)


def test_a_family_that_is_not_there_cannot_be_left_out(data: Path) -> None:
    """A name misspelled would leave nothing out."""
    with pytest.raises(DataError, match="no family adds; they have ads, talk"):
        kept.begun(read(data), {}, ["adds"])


def test_a_pass_is_the_same_for_the_same_seed(rows: list[Row]) -> None:
    """And another for another number or seed."""
    one, other = Mix(rows, 1), Mix(rows, 2)
    texts = [row.text for row in one.drawn(0)[0]]
    assert texts == [row.text for row in Mix(rows, 1).drawn(0)[0]]
    assert texts != [row.text for row in one.drawn(1)[0]]
    assert texts != [row.text for row in other.drawn(0)[0]]


def test_nothing_is_disguised_in_a_way_held_out(rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    """Those ways are for judging."""
    used = samples.ways_used(monkeypatch)
    for number in range(3):
        Mix(rows, 1).drawn(number)
    assert used
    assert used.isdisjoint(HELD_OUT)


def test_families_drawn_less_often_weigh_more(rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    """So that in the long run a family counts as it does for the first tier."""
    family = rows[0].family
    monkeypatch.setitem(mix.KEPT, family, 0.5)
    monkeypatch.setattr(mix, "JOINED", 0.0)
    drawn, target, weight = Mix(rows, 1).drawn(0)
    mine = np.array([row.family == family for row in drawn])
    share = mine.sum() / sum(row.family == family for row in rows)
    assert 0.35 < share < 0.65
    _, plain = targets.for_heads(drawn, LABELS)
    assert np.allclose(weight[mine], plain[mine] * 2)
    assert {COUNTER_SPEECH, NEUTRAL_IDENTITY} <= {row.family for row in drawn}
    assert target.shape == weight.shape == (len(drawn), len(LABELS))


def test_joined_texts_are_toxic_where_either_is() -> None:
    """Neither only where both are not; unknown stays unknown."""
    one = Row("you idiot", (None, 1, None, 0, None, None, 0), "a", "a", "train")
    other = Row("a fine day", (0, 0, 0, 0, None, 1, 0), "b", "b", "train")
    made = mix._joined(one, other, Random(1))
    assert sorted(made.text.split()) == sorted(["you", "idiot", "a", "fine", "day"])
    assert made.labels == (None, 1, None, 0, None, 1, 0)


def test_every_row_is_in_one_batch_of_like_length() -> None:
    """And no batch holds more tokens than it may, or pads more than a step."""
    random = Random(2)
    ids = [[1] * random.randint(2, 96) for _ in range(5_000)]
    for batches in (list(in_order(ids, 1024)), list(shuffled(ids, 1024, Random(1)))):
        assert sorted(row for batch in batches for row in batch.rows) == list(range(5_000))
        assert all(batch.ids.size <= 1024 for batch in batches)
        assert all((batch.mask.sum(axis=1) == [len(ids[row]) for row in batch.rows]).all() for batch in batches)
    assert sum(batch.ids.size for batch in batches) < 1.15 * sum(map(len, ids))


def test_steps_lose_little_and_stay_in_seven_bits() -> None:
    """Each output of a product has steps of its own; what flows is cut where least is lost."""
    random = np.random.default_rng(1)
    weight = random.normal(size=(8, 64)).astype(np.float32) * np.arange(1, 9, dtype=np.float32)[:, None]
    numbers, step = quantised(weight)
    assert np.abs(numbers).max() == LARGEST
    assert (np.abs(numbers * step[:, None] - weight) <= step[:, None] / 2 + 1e-6).all()
    values = random.standard_t(4, 20_000).astype(np.float32)
    found, whole = scale(values), (values.max() - values.min()) / 255
    assert 0 <= found.zero <= 255
    flowing = np.clip(np.rint(values / found.step) + found.zero, 0, 255) - found.zero
    assert np.mean((flowing * found.step - values) ** 2) < whole**2 / 12


def test_the_blend_is_calibrated_and_heeds_both_tiers() -> None:
    """Probabilities hold for the share assumed; each tier's part has its sign."""
    random = np.random.default_rng(3)
    truth = random.random(6_000) < 0.3
    rows = [
        Row("x", (int(one), *(int(one),) * (len(LABELS) - 1)), "s", "blog_comments", "dev") for one in truth.tolist()
    ]
    first, second = ((truth[:, None] * width + random.normal(size=(6_000, len(LABELS)))) for width in (1.0, 2.0))
    made = blend.fit(first, second, rows)
    assert set(made) == set(LABELS)
    odds = blend.together(first, second, made)[:, TOXICITY]
    chance = 1 / (1 + np.exp(-odds))
    weight = np.where(truth, 0.096 / truth.sum(), 0.904 / (~truth).sum())
    assert abs((chance * weight).sum() - 0.096) < 0.005
    assert made["toxicity"].first > 0
    assert made["toxicity"].second > 0
