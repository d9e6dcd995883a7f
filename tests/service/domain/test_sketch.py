"""Near repeats: sketches estimate how similar two texts are, and bands find the similar ones."""

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.sketch import BANDS, HASHES, LEAST_WORDS, bands, likeness, sketch

SITE, OTHER = b"1" * 16, b"2" * 16
FIRST = np.array([0])
WORDS = [f"word{n}" for n in range(4_000)]


def pairs(text: str) -> set[tuple[str, str]]:
    """Neighbouring words."""
    found = text.split()
    return set(pairwise(found))


def true_likeness(one: str, two: str) -> float:
    """The similarity that a sketch estimates."""
    return len(pairs(one) & pairs(two)) / len(pairs(one) | pairs(two))


def changed(text: str, share: float, chance: random.Random) -> str:
    """`text` with about this share of its words replaced."""
    return " ".join(chance.choice(WORDS) if chance.random() < share else word for word in text.split())


def test_the_estimate_is_near_the_truth() -> None:
    """Off by less than 0.07 on average and by less than 0.3 at the worst of 500 pairs."""
    chance = random.Random(1)
    errors = []
    for _ in range(500):
        one = " ".join(chance.choices(WORDS, k=60))
        two = changed(one, chance.random() / 2, chance)
        made, other = sketch(one), sketch(two)
        assert made is not None
        assert other is not None
        errors.append(abs(float(likeness(made, FIRST, other)[0]) - true_likeness(one, two)))
    assert sum(errors) / len(errors) < 0.07
    assert max(errors) < 0.3


@pytest.mark.parametrize(("share", "least", "most"), [(0.02, 0.97, 1), (0.05, 0.85, 1), (0.9, 0, 0.02)])
def test_bands_find_the_similar_and_not_the_different(share: float, least: float, most: float) -> None:
    """How many of 400 pairs share a band, by how many words were changed."""
    chance = random.Random(2)
    found = 0
    for _ in range(400):
        one = " ".join(chance.choices(WORDS, k=60))
        made, other = sketch(one), sketch(changed(one, share, chance))
        found += bool(set(bands(SITE, made)) & set(bands(SITE, other)))  # type: ignore[arg-type]
    assert least <= found / 400 <= most


@given(st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join))
def test_equal_texts_are_equal_and_short_ones_are_left_out(text: str) -> None:
    """The same sketch each time, of a fixed size; likeness 1 to itself."""
    made = sketch(text)
    assert (made is None) is (len(text.split()) < LEAST_WORDS)
    if made is not None:
        assert made == sketch(text)
        assert len(made) == 2 * HASHES
        assert likeness(made, FIRST, made).tolist() == [1.0]
        assert len(bands(SITE, made)) == BANDS
        assert not set(bands(SITE, made)) & set(bands(OTHER, made))
        assert all(-(2**63) <= band < 2**63 for band in bands(SITE, made))


def test_sketches_stay_the_same_from_release_to_release() -> None:
    """Stored ones are compared with new ones: a library that hashes otherwise is noticed here."""
    made = sketch("the quick brown fox jumps over the lazy dog and runs away")
    assert made is not None
    assert made.hex()[:32] == GOLDEN


GOLDEN = "4c49d7a5d917a6d45d15e9859aab1fd8"
