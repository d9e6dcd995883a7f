"""Nothing that a visitor can send breaks scoring, makes it slow, or makes it sure of something."""

from time import process_time

import pytest

from classifier import LABELS, Model
from tests.classifier.hostile import faults

KIB_64 = 64 << 10
AWKWARD = ("a", "a.", "1 ", "http://", "a b ", "*", "[.]", "!@#$", "\u200b", "аa", "e\u0301", "👍", "中", "ab.cd/",
           "you idiot ", "\ud800", "\x00", "xyz abc ", "א", "buy now ")  # fmt: skip


def seconds(model: Model, unit: str, size: int) -> float:
    """Processor time to score `size` characters of `unit`."""
    text = (unit * (size // len(unit) + 1))[:size]
    start = process_time()
    model.score([text])
    return process_time() - start


def test_thousands_of_random_texts(model: Model) -> None:
    """The first of the million of `make test-classifier`."""
    assert faults(model, 4_000) == []


@pytest.mark.parametrize("unit", AWKWARD)
def test_the_longest_text_takes_well_under_a_second(model: Model, unit: str) -> None:
    """64 KiB of anything."""
    assert seconds(model, unit, KIB_64) < 1.0


@pytest.mark.parametrize(
    "text",
    ["", " ", "?", "👍", "👍👍👍👍👍👍👍👍", "ok", "table", "\x00\x01\x02" * 40, "0" * 400, "é" * 300, "a1b2" * 200,
     "العربية english mixed", "%PDF-1.7 \x89PNG\r\n\x1a\n" * 20, "\u202eabc\u202c def", "lorem " * 500, ":" * 4000],
)  # fmt: skip
def test_texts_that_say_nothing_are_accused_of_nothing(model: Model, text: str) -> None:
    """Empty, emoji-only, one-word, mixed-script, right-to-left and binary-looking texts stay below 0.5 everywhere."""
    scores = model.score([text])[0]
    assert [label for label in LABELS if (getattr(scores, label) or 0) >= 0.5] == []
