"""Training: repeatable, honest about missing labels, and on record in the file it writes."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from classifier import LABELS, artifact, heads, targets
from classifier.augment import augment, telling_odds
from classifier.data import DataError, Row, read
from classifier.disguise import WAYS, disguise
from classifier.groups import ENGLISH
from classifier.normalise import normalise
from classifier.train import train_group
from tests.classifier import samples

NOBODY = (None,) * len(LABELS)


def _labels(**known: int) -> tuple[int | None, ...]:
    return tuple(known.get(label) for label in LABELS)


def _row(text: str, labels: tuple[int | None, ...]) -> Row:
    return Row(text, labels, "s", "f", "train")


def test_the_same_data_give_the_same_bytes(data: Path, small_file: Path, tmp_path: Path) -> None:
    """A second training writes an identical file."""
    again = train_group(ENGLISH, data, tmp_path / "again.model")
    assert again.read_bytes() == small_file.read_bytes()


def test_other_data_give_another_model(small_file: Path, tmp_path: Path) -> None:
    """The model depends on what it was shown."""
    samples.write_data(tmp_path / "data", samples.rows(800, seed=2))
    other = train_group(ENGLISH, tmp_path / "data", tmp_path / "b.model")
    assert artifact.read(other).sha256 != artifact.read(small_file).sha256


def test_the_file_records_its_training(data: Path, small_file: Path) -> None:
    """Hashes of the data, counts of labels and the calibration are in the header."""
    training = artifact.read(small_file).header.training
    assert training["data"] == {path.name: sha256(path.read_bytes()).hexdigest() for path in data.iterdir()}
    rows = read(data).split("train")
    assert training["labelled"]["spam"]["positive"] == sum(row.labels[0] == 1 for row in rows)
    assert set(training["calibration"]) == set(LABELS)


def test_no_text_survives_in_the_file(small_file: Path) -> None:
    """A model holds numbers and settings, none of the words it learned from."""
    content = small_file.read_bytes()
    assert not any(word.encode() in content for word in (*samples._HARMLESS, *samples._RUDE, *samples._SOLD))


@pytest.mark.parametrize(
    ("labels", "label", "target"),
    [
        (_labels(toxicity=1), "toxicity", 1),
        (_labels(toxicity=1), "threat", None),
        (_labels(toxicity=0), "threat", 0),
        (_labels(toxicity=1), "spam", 0),
        (_labels(spam=1), "toxicity", 0),
        (_labels(spam=1), "insult", 0),
        (_labels(identity_attack=0), "toxicity", None),
        (_labels(identity_attack=1), "toxicity", 1),
        (_labels(threat=1, spam=0), "toxicity", 1),
        (_labels(obscene=0), "toxicity", None),
        (NOBODY, "spam", None),
    ],
)
def test_a_missing_label_is_not_a_zero(labels: tuple[int | None, ...], label: str, target: int | None) -> None:
    """Where nobody looked a row is left out, or is a weak negative when another label makes it likely."""
    matrix = targets.matrix([_row("x", labels)])
    found, weight = targets.for_head(matrix, np.ones(1, np.float32), LABELS.index(label))
    assert (None if np.isnan(found[0]) else int(found[0])) == target
    assert (weight[0] == 1) == (labels[LABELS.index(label)] is not None or target != 0)


def test_calibration_judges_only_what_was_judged() -> None:
    """With `across` 0 the comment judged for spam says nothing about toxicity."""
    matrix = targets.matrix([_row("x", _labels(spam=1)), _row("y", _labels(toxicity=0))])
    found, _ = targets.for_head(matrix, np.ones(2, np.float32), LABELS.index("toxicity"), across=0)
    assert np.isnan(found).tolist() == [True, False]


def test_calibration_meets_the_base_rate() -> None:
    """Calibrated on balanced rows for a base rate of a tenth, the mean probability of such a mix is a tenth."""
    raw = np.random.default_rng(5).normal(size=4000)
    truth = (raw + np.random.default_rng(6).normal(size=4000) > 0).astype(np.float32)
    odds = heads.calibrate(raw, truth, np.ones(4000, np.float32), 0.1).apply(raw)
    chances = 1 / (1 + np.exp(-odds))
    mixed = 0.1 * chances[truth == 1].mean() + 0.9 * chances[truth == 0].mean()
    assert mixed == pytest.approx(0.1, abs=0.005)


@pytest.mark.parametrize("base_rate", [0.003, 0.1, 0.5])
@pytest.mark.parametrize("positives", [50, 900])
def test_separable_rows_have_a_bounded_line(positives: int, base_rate: float) -> None:
    """A wider gap makes no row surer than so many rows can show, and the base rate is met."""
    truth = (np.arange(1000) < positives).astype(np.float32)
    sure = []
    for gap in (1.0, 10.0, 100.0):
        odds = heads.calibrate(truth * gap, truth, np.ones(1000, np.float32), base_rate).apply(truth * gap)
        chances = 1 / (1 + np.exp(-odds))
        mixed = base_rate * chances[truth == 1].mean() + (1 - base_rate) * chances[truth == 0].mean()
        assert mixed == pytest.approx(base_rate, rel=0.01)
        sure.append(chances[0])
    assert 0.9 < sure[0] < 1 - 1 / (50 * positives)
    assert sure == pytest.approx([sure[0]] * 3, abs=0.002)


def test_one_kind_of_rows_leaves_odds_alone() -> None:
    """Without positives there is nothing to calibrate on."""
    assert heads.calibrate(np.zeros(3), np.zeros(3, np.float32), np.ones(3, np.float32), 0.1) == heads.Platt(1.0, 0.0)


def test_rare_strings_leave_no_trace() -> None:
    """What fewer than four texts contain has no document frequency, so no weight."""
    idf2 = heads.squared_idf(heads.counts(["zebra quiz"] * 3 + ["common words"] * 9))
    rare = heads.counts(["zebra"]).indices
    common = heads.counts(["common"]).indices
    assert idf2[np.setdiff1d(rare, common)].max() == 0
    assert idf2[common].min() > 0


def test_vectors_have_length_one() -> None:
    """A tf-idf vector has length one, or zero for a text of unseen features."""
    seen = heads.counts(["common words here"] * 9)
    points = heads.vectors(heads.counts(["common words", "zzzzqqq"]), heads.squared_idf(seen))
    assert np.asarray(points.multiply(points).sum(axis=1)).ravel() == pytest.approx([1.0, 0.0], abs=1e-6)


def test_augmenting_disguises_toxic_words_only_where_counted() -> None:
    """New rows keep the labels of the row they came from; quoted and neutral ones have no label set."""
    rows = [_row(f"you zonker, the tea number {at} is cold", _labels(toxicity=1)) for at in range(60)]
    rows += [_row(f"the tea number {at} is warm, thank you", _labels(toxicity=0)) for at in range(60)]
    made = augment(rows, seed=1)
    assert made == augment(rows, seed=1)
    assert telling_odds(rows, 1)["zonker"] > 1.5 > telling_odds(rows, 1)["tea"]
    disguised = [row for row in made if row.family == "disguised" and row.labels[1] == 1]
    assert len(disguised) > 10
    assert not any("zonker" in row.text for row in disguised)
    assert all(set(row.labels) == {0} for row in made if row.family != "disguised")


@pytest.mark.parametrize("way", WAYS)
def test_every_way_changes_the_word(way: str) -> None:
    """Each disguise writes a word differently and leaves the others alone."""
    random = samples.Random(2)
    text = disguise("you total bastion of tea", ["bastion"], way, random)
    assert text != "you total bastion of tea"
    assert normalise(text).text.startswith("you total ")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"text,spam\nhello,1\n", "lacks the columns"), (None, "holds no"), ("bad", "expected 1, 0 or nothing")],
)
def test_unusable_data_are_refused(tmp_path: Path, content: bytes | str | None, sentence: str) -> None:
    """A missing column, an impossible label or an empty directory raise DataError, with the file's name."""
    made = samples.rows(4, seed=1)
    if content == "bad":
        samples.write_data(tmp_path, [row | {"spam": "maybe"} for row in made])
    elif isinstance(content, bytes):
        samples.write_data(tmp_path, [{"text": "x", "family": "talk"}])
    with pytest.raises(DataError, match=sentence):
        read(tmp_path)


def test_rows_in_other_languages_are_left_out(tmp_path: Path) -> None:
    """An English model reads English rows; no language means English."""
    made = [row | {"lang": lang} for row, lang in zip(samples.rows(3, seed=1), ("en", "", "de"), strict=True)]
    samples.write_data(tmp_path, made)
    assert sorted(row.text for row in read(tmp_path).rows) == sorted(row["text"] for row in made[:2])
