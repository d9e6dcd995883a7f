"""Judging: the tables are there, their figures are right, and what must stay unseen stays unseen."""

import csv
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from classifier import (
    LABELS,
    Model,
    augment,
    baselines,
    card,
    disguise,
    evaluate,
    footprint,
    load,
    measures,
    probes,
    speed,
    unseen,
)
from classifier.data import DataError, read, read_file
from classifier.groups import ENGLISH
from classifier.report import Figures
from classifier.train import train
from tests.classifier import samples


def _silent(line: str) -> None:
    """Say nothing."""


def test_ranking_counts_what_it_says() -> None:
    """Areas, recall and false positives of a case worked out by hand; rows without a label do not count."""
    truth = np.array([1, 0, 1, 0, np.nan], dtype=np.float32)
    ranking = evaluate.rank(truth, np.array([3.0, 1.0, -1.0, -2.0, 9.0]))
    assert ranking == evaluate.Ranking(0.75, pytest.approx(5 / 6), 0.5, 0.5, 2, 2)


def test_one_kind_cannot_be_ranked() -> None:
    """Without negatives there is no ranking."""
    assert evaluate.rank(np.ones(3, np.float32), np.arange(3.0)) is None


def test_a_table_is_text_and_markdown() -> None:
    """Columns are aligned for a terminal; numbers look alike in both."""
    table = Figures("Title", ("what", "share", "count"), digits=2)
    table.add("a", 0.5, 1234)
    table.add("bcd", None, 7)
    assert table.as_text().splitlines() == ["Title", "what  share  count", "a      0.50  1,234", "bcd       -      7"]
    assert "| a | 0.50 | 1,234 |" in table.as_markdown()
    assert table.as_record()["rows"] == [["a", 0.5, 1234], ["bcd", None, 7]]


@pytest.mark.parametrize("name", ["sources", "identity", "disguised", "harmless"])
def test_every_measure_has_its_tables(small: Model, small_file: Path, data: Path, name: str) -> None:
    """Each gives tables with rows, and shares that are shares."""
    tables = list(measures.run(name, small, small_file, data, False, _silent))
    assert tables
    assert all(table.rows for table in tables)


def test_known_sources_are_judged_beside_the_usual_way(small: Model, data: Path) -> None:
    """On invented rows both rank everything right, and the mean of the kinds of toxicity is there."""
    (table,) = evaluate.known(small, data)
    found = {str(row[0]): row[1:3] for row in table.rows}
    assert set(found) == {*LABELS, "mean of 6 kinds of toxicity"}
    assert all(isinstance(auc, float) and auc > 0.99 for pair in found.values() for auc in pair)


def test_a_family_is_judged_by_a_model_that_never_saw_it(tmp_path: Path) -> None:
    """Leaving one out gives a row for each family and label that another family can teach, and their mean."""
    made = samples.rows(400, seed=3)
    for at, row in enumerate(made):
        if row["family"] == "ads" and at % 4:
            row["family"] = "offers"
    samples.write_data(tmp_path, made)
    (table,) = unseen.unseen(tmp_path, _silent, ("spam",))
    assert [tuple(row[:2]) for row in table.rows] == [("spam", "ads"), ("spam", "offers"), ("spam", "mean of 2")]


def test_the_usual_way_knows_no_word_of_what_is_judged() -> None:
    """Its vectors are those of a vectoriser that was fitted to the known rows alone."""
    texts = ["tea and bread", "tea and mud", "bread and mud", "tea"] * 3 + ["zwyrrq pflomm"] * 6
    known, asked = np.arange(12), np.arange(12, 18)
    points, asking = baselines.Counted(texts).vectors(known, asked)
    fitted = baselines.tfidf().fit([texts[at] for at in known])
    assert points.shape == fitted.transform(texts[:12]).shape
    assert abs(points - fitted.transform(texts[:12])).max() < 1e-6
    assert abs(asking - fitted.transform(texts[12:])).max() < 1e-6


def test_rows_out_of_fold_are_calibrated(data: Path) -> None:
    """Each row is scored by a model that did not learn from it; the table has each label at its shares; a plot is made."""
    found = unseen.out_of_fold(data, _silent, ENGLISH, folds=2)
    assert found.odds.shape == (len(read(data).rows), len(LABELS))
    (table,) = unseen.calibrated(found)
    assert [tuple(row[:2]) for row in table.rows] == [("toxicity", "9.6%"), ("spam", "30.0%"), ("spam", "5.0%")]
    assert ElementTree.fromstring(unseen.plotted(found, "a & b")).tag.endswith("svg")


def test_folds_share_out_each_family(data: Path) -> None:
    """Every fold has its part of every family."""
    rows = list(read(data).rows)
    fold = unseen._folds(rows, 4)
    for family in ("talk", "ads"):
        sizes = np.bincount(fold[[row.family == family for row in rows]], minlength=4)
        assert sizes.max() - sizes.min() <= 1


def test_speed_is_measured_beside_the_usual_ways(small: Model, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model and both baselines are timed in one run."""
    monkeypatch.setattr(speed, "_TEXTS", 512)
    monkeypatch.setattr(speed, "_REPEATS", 1)
    monkeypatch.setattr(speed, "_SINGLE", 20)
    table = speed.measure(small, data)
    assert [row[0] for row in table.rows] == ["this model", "HashingVectorizer + SGD", "TF-IDF + logistic regression"]
    assert all(isinstance(row[1], int) and row[1] > 0 for row in table.rows)


def test_the_footprint_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of a language has at most 3 MB, all together at most 6; loading and memory keep their limits."""
    monkeypatch.setattr(footprint, "_RUNS", 1)
    found = {str(row[0]): str(row[1]) for row in footprint.measure().rows}
    sizes = [float(figure.split()[0]) for name, figure in found.items() if name.endswith(".model")]
    assert max(sizes) <= 3
    assert sum(sizes) <= 6
    assert float(found["memory beyond numpy, all languages scored"].split()[0]) <= 40


def test_probes_are_not_what_training_saw() -> None:
    """No probe is among the sentences that training makes, and the sealed half shares none with the other."""
    made = {row.text.lower() for row in augment.augment([], seed=1)}
    sealed = {sentence.format(term) for sentence in probes.SEALED_SENTENCES for term in probes.IDENTITIES}
    assert made.isdisjoint(text.lower() for text in (*probes.NEUTRAL_IDENTITY, *probes.COUNTER_SPEECH, *sealed))
    assert sealed.isdisjoint(probes.NEUTRAL_IDENTITY)
    assert len(probes.SEALED_SENTENCES) == len(probes.SENTENCES)


def test_sealed_probes_are_judged_only_when_asked(small: Model) -> None:
    """Without the word, the half that is kept for the last run is not looked at."""
    assert [row[0] for row in next(evaluate.identity(small)).rows] == ["looked at"]
    assert [row[0] for row in next(evaluate.identity(small, sealed=True)).rows] == ["looked at", "sealed"]


def test_held_out_disguises_never_teach(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    """Training rows are made without the ways held out: one that is called raises, and so does choosing one."""

    def refuse(word: str, _: object) -> str:
        raise AssertionError(word)

    for way in disguise.HELD_OUT:
        monkeypatch.setitem(disguise.WAYS, way, refuse)
    made = augment.augment(read(data).split("train"), seed=1)
    assert len([row for row in made if row.family == augment.DISGUISED]) > 50
    monkeypatch.setattr(disguise, "LEARNED", disguise.HELD_OUT)
    with pytest.raises(ValueError, match="held out"):
        disguise.disguise_to_learn("you idiot", ["idiot"], samples.Random(1))


def test_ten_ways_are_counted() -> None:
    """Ten, three of them held out, all known."""
    assert len(set(disguise.TEN)) == 10
    assert len(set(disguise.TEN) & set(disguise.HELD_OUT)) == 3
    assert set(disguise.TEN) <= set(disguise.WAYS)


def _own(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=sorted({key for row in rows for key in row}))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_site_can_judge_its_own_comments(small: Model, tmp_path: Path) -> None:
    """A CSV file with texts and some labels is enough for tables and a plot; context is read where there is some."""
    made = [{"text": row["text"], "spam": row["spam"], "website": ""} for row in samples.rows(120, seed=6)]
    rows = read_file(_own(tmp_path / "own.csv", made))
    assert rows[0].context is not None
    tables = {table.title.split(",")[0]: table for table in evaluate.own(small, rows)}
    assert any(title.startswith("120 comments") for title in tables)
    ranked = next(iter(tables.values())).rows
    assert tuple(ranked[0][:2]) == ("spam", "all")
    assert isinstance(ranked[0][2], float) and ranked[0][2] > 0.99
    assert "Calibration error" in tables
    assert evaluate.reliability(small, rows).count("<circle") > 3


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"comment,spam\nx,1\n", "lacks the column text"),
        (b"text\nx\n", "no column of a label"),
        (b"text,spam\nx,yes\n", "expected 1, 0 or nothing"),
        (b"\xff\xfe\x00", "cannot be read as CSV"),
    ],
)
def test_a_file_that_is_no_such_csv_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    """One sentence names the file and what is missing."""
    path = tmp_path / "own.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=sentence) as caught:
        read_file(path)
    assert "own.csv" in str(caught.value)


def test_cards_are_written_for_each_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From training to cards: each has its version, its figures and its sources, and no place is left open."""
    monkeypatch.setattr(speed, "_TEXTS", 512)
    monkeypatch.setattr(speed, "_REPEATS", 1)
    monkeypatch.setattr(speed, "_SINGLE", 20)
    monkeypatch.setattr(footprint, "_RUNS", 1)
    english = samples.rows(800, seed=7)
    german = [row | {"lang": "de", "spam": "", "family": "germeval"} for row in samples.rows(800, seed=8)]
    samples.write_data(tmp_path, english)
    samples.write_data(tmp_path / "multilingual", german)
    train(tmp_path, tmp_path / "model")
    path = tmp_path / "model" / ENGLISH.file
    table = Figures("Measured before", ("label", "AUC"), [("toxicity", 0.75)], note="Yesterday.")
    written = card.write(
        path, tmp_path, tmp_path / "cards", sealed=False, brief=True, measured=[table.as_record()], say=_silent
    )
    assert [one.name for one in written] == ["CARD.md", "CARD-german.md"]
    for one in written:
        text = one.read_text(encoding="utf-8")
        assert load(path).version in text
        assert re.findall(r"\$\w+|\$\{", text) == []
        assert "| toxicity |" in text
    assert table.as_markdown() in written[0].read_text(encoding="utf-8")
    assert "GermEval" in written[1].read_text(encoding="utf-8")
