"""An explanation is the score, taken apart: its parts add up without a rest and point at the original."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier import LABELS, Explanation, Model
from classifier.normalise import normalise
from classifier.scores import UNIT
from tests.classifier.samples import ANY_TEXT


def _sum(explanation: Explanation) -> float:
    parts = [part.log_odds for part in (*explanation.words, *explanation.flags)]
    return explanation.bias + sum(parts) + explanation.other


@given(ANY_TEXT, st.sampled_from(LABELS), st.integers(0, 10))
@settings(max_examples=300)
def test_parts_add_up_exactly(model: Model, text: str, label: str, top: int) -> None:
    """Bias, words, flags and the rest are the log-odds that were scored, to the last bit."""
    explanation = model.explain(text, label, top)
    assert _sum(explanation) == explanation.log_odds
    assert explanation.log_odds == int(model.log_odds([normalise(text)])[0, LABELS.index(label)]) * UNIT
    assert explanation.score == getattr(model.score([text])[0], label)
    assert len(explanation.words) <= top


@given(ANY_TEXT)
@settings(max_examples=200)
def test_words_point_at_the_original(model: Model, text: str) -> None:
    """Offsets cut the word out of the original, in code points and in UTF-16 units."""
    utf16 = text.encode("utf-16-le", "surrogatepass")
    for word in model.explain(text, "toxicity", top=50).words:
        assert text[word.start : word.end] == word.text != ""
        cut = utf16[2 * word.utf16_start : 2 * word.utf16_end]
        assert cut == word.text.encode("utf-16-le", "surrogatepass")


def test_the_insult_is_named(model: Model) -> None:
    """The word that made a comment toxic comes first, as it was written, behind an emoji too."""
    word = model.explain("😀 honestly, you are an 1d10t and I said so", "toxicity").words[0]
    assert word.text == "1d10t"
    assert (word.start, word.end, word.utf16_start, word.utf16_end) == (23, 28, 24, 29)
    assert word.log_odds > 1


def test_a_disguise_is_shown(model: Model) -> None:
    """What was undone is listed as a flag."""
    flags = model.explain("you are an i d i o t and a m0r0n", "toxicity").flags
    assert [flag.name for flag in flags] == ["xspaced", "xleet"]


def test_strongest_words_come_first(model: Model) -> None:
    """Words are in order of the size of their part."""
    parts = [abs(word.log_odds) for word in model.explain("you stupid man, thank you for the tea", "insult").words]
    assert parts == sorted(parts, reverse=True)


def test_no_opinion_no_score(model: Model) -> None:
    """A text in a language that was not measured has parts, but no score."""
    assert model.explain("Большое спасибо за эту статью", "toxicity").score is None


def test_wrong_questions_are_refused(model: Model) -> None:
    """An unknown label and a negative count raise ValueError."""
    with pytest.raises(ValueError, match="rudeness"):
        model.explain("hello", "rudeness")
    with pytest.raises(ValueError, match="-1"):
        model.explain("hello", "spam", top=-1)
