"""Other languages have tables of their own, unpacked when first needed; what was not measured has no opinion."""

import shutil
from pathlib import Path

import pytest

from classifier import LABELS, Model, ModelError, artifact, load
from classifier.groups import ENGLISH, GROUPS
from classifier.model import DEFAULT
from classifier.train import measured_labels, train
from tests.classifier import samples
from tests.classifier.test_train import _labels, _row

RUDE = {
    "de": "Du bist ein dummes Arschloch und alle hier wissen das auch ganz genau.",
    "pt": "Você é um filho da puta idiota e todo mundo aqui sabe disso muito bem.",
    "ko": "야 이 병신 새끼야 꺼져라 정말 쓰레기 같은 놈이네",
    "zh": "你这个傻逼垃圾，黑鬼滚出去，恶心死了",
}
KIND = {
    "de": "Das ist ein wirklich schöner Artikel, vielen Dank dafür und weiter so!",
    "pt": "Muito obrigado pelo artigo, gostei muito de ler sobre a história da cidade.",
    "ko": "이 기사는 정말 재미있었습니다. 감사합니다.",
    "zh": "这篇文章写得非常好，谢谢作者的分享，我学到了很多东西。",
}


@pytest.mark.parametrize("code", RUDE)
def test_abuse_is_told_from_thanks(code: str) -> None:
    """In each language abuse scores higher than thanks; spam, which was not measured there, is null."""
    rude, kind = load().score([RUDE[code], KIND[code]])
    assert (rude.language, kind.language) == (code, code)
    assert (rude.toxicity or 0) > 0.5 > (kind.toxicity or 1)
    assert rude.spam is None


def test_each_language_says_what_was_measured(model: Model) -> None:
    """English has all labels, the others toxicity and what their data show; an unknown language has none."""
    assert model.measured("en") == LABELS
    for code in RUDE:
        assert "toxicity" in model.measured(code)
        assert "spam" not in model.measured(code)
    assert model.measured("fr") == ()
    for code in RUDE:
        scores = model.score([RUDE[code]])[0]
        given = tuple(label for label in LABELS if getattr(scores, label) is not None)
        assert given == model.measured(code)


def test_a_table_is_unpacked_when_needed() -> None:
    """English texts unpack English alone."""
    fresh = load()
    fresh.score(["hello there, this is a test of the page"])
    assert len(fresh._tables) == 1
    fresh.score([KIND["ko"]])
    assert len(fresh._tables) == 2


def test_languages_do_not_disturb_each_other(model: Model) -> None:
    """A text has the same scores alone and in a batch of many languages."""
    texts = [*RUDE.values(), "you idiot", *KIND.values(), "Спасибо большое за эту статью, очень интересно", ""] * 3
    assert model.score(texts) == [one for text in texts for one in model.score([text])]


@pytest.mark.parametrize("code", RUDE)
def test_explanations_add_up_in_every_language(model: Model, code: str) -> None:
    """Bias, words and the rest are the log-odds, and the score is the one served."""
    found = model.explain(RUDE[code], "toxicity", top=4)
    parts = [part.log_odds for part in (*found.words, *found.flags)]
    assert found.bias + sum(parts) + found.other == found.log_odds
    assert found.score == model.score([RUDE[code]])[0].toxicity
    assert all(RUDE[code][word.start : word.end] == word.text for word in found.words)
    assert model.explain(RUDE[code], "spam").score is None


def test_one_language_has_one_file(tmp_path: Path) -> None:
    """Two files that claim a language are refused by name."""
    for file in DEFAULT.parent.glob("english.model*"):
        shutil.copy(file, tmp_path / file.name)
    other = (tmp_path / "english.model").rename(tmp_path / "other.model")
    shutil.copy(DEFAULT, tmp_path / "english.model")
    digest = artifact.checksum_path(DEFAULT).read_text().split()[0]
    artifact.checksum_path(other).write_text(f"{digest}  other.model\n")
    with pytest.raises(ModelError, match="which another file is for too"):
        load(tmp_path / "english.model")


def test_a_damaged_language_is_refused_at_the_start(tmp_path: Path) -> None:
    """Not when the first comment in it comes: every file is checked when the model is loaded."""
    for file in DEFAULT.parent.glob("*.model*"):
        shutil.copy(file, tmp_path / file.name)
    german = tmp_path / "german.model"
    german.write_bytes(german.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"german\.model"):
        load(tmp_path / "english.model")


def test_the_version_is_of_all_files(tmp_path: Path, model: Model) -> None:
    """Without its other languages a model has another version: it scores otherwise."""
    for file in DEFAULT.parent.glob("english.model*"):
        shutil.copy(file, tmp_path / file.name)
    assert load(tmp_path / "english.model").version != model.version


def test_other_languages_are_trained_from_their_folder(tmp_path: Path) -> None:
    """A label is measured where dev rows have enough of both kinds; spam never is; no template of English is added."""
    made = [row | {"lang": "de", "spam": "", "threat": ""} for row in samples.rows(800, seed=4)]
    samples.write_data(tmp_path / "multilingual", made)
    samples.write_data(tmp_path, samples.rows(800, seed=5))
    files = train(tmp_path, tmp_path / "out", names=["german"])
    assert [file.name for file in files] == ["german.model"]
    header = artifact.read(files[0]).header
    assert header.languages == ("de",)
    assert "threat" not in header.measured
    assert header.measured[0] == "toxicity"


def test_few_rows_measure_nothing() -> None:
    """A label with fewer dev rows of a kind than needed has no opinion."""
    rows = [_row("a", _labels(toxicity=at % 2, insult=int(at < 3))) for at in range(60)]
    assert measured_labels(ENGLISH, rows) == ("toxicity",)
    assert measured_labels(GROUPS[1], [_row("a", _labels(spam=at % 2)) for at in range(60)]) == ()
