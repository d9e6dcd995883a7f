"""The vectorised features are those that a plain loop over the definition finds."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier import features
from classifier.normalise import FLAGS, Normalised, normalise
from tests.classifier.samples import ANY_TEXT

MASK = (1 << 64) - 1


def _rolled(piece: bytes) -> int:
    value = 0
    for byte in piece:
        value = (value * features._BASE + byte + 1) & MASK
    return value


def _summed(piece: bytes) -> int:
    return sum((byte + 1) * pow(features._BASE, at, 1 << 64) for at, byte in enumerate(piece)) & MASK


def _slot(value: int, kind: int) -> int:
    return (((value ^ (value >> 31)) * int(features._SPICE[kind])) & MASK) >> (64 - features.BITS)


def _plainly(text: Normalised) -> set[int]:
    """Every feature by its definition."""
    raw = features.encode(text.text)
    slots = {features.FLAG_SLOTS[flag] for flag in text.flags}
    for kind, order in enumerate(features.ORDERS):
        for at in range(len(raw) - order + 1):
            piece = raw[at : at + order]
            if b" " not in piece[1:-1] and piece.strip():
                slots.add(_slot(_rolled(piece), kind))
    words, word = [], b""
    for byte in raw:
        if features._WORD_BYTE[byte]:
            word += bytes([byte])
        elif word:
            words, word = [*words, word], b""
    hashes = [_summed(word) for word in words]
    slots |= {_slot(value, features._WORD) for value in hashes}
    pairs = [(a * int(features._PAIR) + b) & MASK for a, b in itertools.pairwise(hashes)]
    return slots | {_slot(value, features._WORDS) for value in pairs}


@given(st.lists(ANY_TEXT, min_size=1, max_size=6))
@settings(max_examples=150)
def test_features_are_those_of_the_definition(texts: list[str]) -> None:
    """In a batch of any texts each has exactly the features a plain reading of the definition gives it."""
    normalised = [normalise(text) for text in texts]
    batch = features.extract(normalised)
    for at, text in enumerate(normalised):
        found = batch.slots[batch.bounds[at] : batch.bounds[at + 1]]
        assert found.tolist() == sorted(_plainly(text))


@given(ANY_TEXT)
@settings(max_examples=200)
def test_places_belong_to_the_same_features(text: str) -> None:
    """The features found for an explanation are those that were scored."""
    normalised = normalise(text)
    found = features.locate(normalised)
    assert found.slots.tolist() == features.extract([normalised]).slots.tolist()
    assert (found.ends <= len(normalised.text.encode("utf-8", "replace")) + 1).all()


@given(st.lists(st.integers(0, 3000), max_size=40))
def test_chunks_keep_order_and_lose_nothing(lengths: list[int]) -> None:
    """Chunks put together again are the texts."""
    texts = [Normalised("é" * length, ()) for length in lengths]
    assert [text for chunk in features.chunks(texts) for text in chunk] == texts


def test_a_text_longer_than_a_chunk_is_one_chunk() -> None:
    """No text is too long: words far behind the precomputed powers hash like words at the front."""
    word = Normalised("needle", ())
    long = Normalised("a " * features.CHUNK_BYTES + "needle", ())
    assert [len(chunk) for chunk in features.chunks([word, long, word])] == [1, 1, 1]
    assert np.isin(features.extract([word]).slots, features.extract([long]).slots).all()


def test_every_flag_has_a_slot_of_its_own() -> None:
    """No two flags share a slot, so each has its own part in an explanation."""
    assert len(set(features.FLAG_SLOTS.values())) == len(FLAGS)


def test_nothing_gives_no_features() -> None:
    """An empty batch and an empty text are fine."""
    assert len(features.extract([]).slots) == 0
    assert features.extract([Normalised("", ())]).bounds.tolist() == [0, 0]
