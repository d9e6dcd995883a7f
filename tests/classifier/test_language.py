"""The model speaks only where it was measured, and does not mistake short English for something else."""

import pytest
from hypothesis import given, settings

from classifier import LABELS, Model, language
from classifier.normalise import normalise
from tests.classifier.samples import ANY_TEXT


def _identify(text: str) -> language.Guess:
    return language.identify(text, normalise(text))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Muchas gracias por compartir este artículo, me ha gustado mucho leerlo.", "es"),
        ("Merci beaucoup pour cet article, je l'ai trouvé vraiment très intéressant.", "fr"),
        ("Большое спасибо за эту статью, она мне очень понравилась.", "ru"),
        ("この記事はとても面白かったです。ありがとうございます。", "ja"),
        ("شكرا جزيلا على هذا المقال الرائع والمفيد", "ar"),
    ],
)
def test_other_languages_get_no_opinion(model: Model, text: str, code: str) -> None:
    """A text in a language without a measured model is recognised and every label is None."""
    scores = model.score([text])[0]
    assert scores.language == code
    assert 0.5 <= scores.confidence <= 1
    assert [getattr(scores, label) for label in LABELS] == [None] * len(LABELS)


@pytest.mark.parametrize("text", ["Спасибо", "ありがとう", "ευχαριστώ πολύ", "תודה רבה"])
def test_short_texts_in_other_scripts_get_no_opinion(model: Model, text: str) -> None:
    """One word in another script is enough: it may be unknown which language, it is not one we measured."""
    assert model.score([text])[0].toxicity is None


@pytest.mark.parametrize(
    "text",
    ["lol", "great post!!", "kill yourself", "first", "+1", "👍👍", "", "???", "https://a.example/b", "ok boomer",
     "nice pic bro", "gg wp", "f u c k off", "12:30", "omg wtf", "ｇｒｅａｔ ｐｏｓｔ",
     "𝖌𝖗𝖊𝖆𝖙 𝖕𝖔𝖘𝖙 𝖒𝖞 𝖋𝖗𝖎𝖊𝖓𝖉 𝖔𝖋 𝖙𝖍𝖊 𝖜𝖔𝖗𝖑𝖉"],
)  # fmt: skip
def test_short_comments_are_scored(model: Model, text: str) -> None:
    """Comments too short to tell the language, or without words, get an opinion."""
    assert model.score([text])[0].toxicity is not None


def test_english_is_recognised_without_the_big_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain English and very short texts never load the language model."""

    def refuse(text: str) -> tuple[str, float]:
        raise AssertionError(text)

    monkeypatch.setattr(language, "_ask", refuse)
    assert _identify("I really think that you should read the article again.").language == "en"
    assert _identify("lol") == language.Guess(language.UNKNOWN, 0.0, latin=True)


def test_a_foreign_text_with_an_english_phrase_is_foreign() -> None:
    """Two English words do not make a German text English."""
    text = "Ich habe gestern mit meinen Freunden über 'the and' gesprochen und wir fanden es alle sehr komisch."
    assert _identify(text).language == "de"


def test_letters_borrowed_from_another_script_do_not_hide_english(model: Model) -> None:
    """English with Cyrillic look-alikes inside its words is still scored."""
    assert model.score(["уоu аre a stuріd іdiоt and you should leave"])[0].toxicity is not None


@given(ANY_TEXT)
@settings(max_examples=150)
def test_any_text_has_a_guess(text: str) -> None:
    """Identifying never raises; a confidence lies between 0 and 1 and is 0 for "unknown"."""
    guess = _identify(text)
    assert 0 <= guess.confidence <= 1
    assert (guess.language == language.UNKNOWN) == (guess.confidence == 0)


def test_supports_says_what_was_measured(model: Model) -> None:
    """English and the languages with a table are supported, others are not."""
    assert [model.supports(code) for code in ("en", "de", "unknown", "")] == [True, True, False, False]
