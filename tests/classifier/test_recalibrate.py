"""A site's own comments set the probabilities, and nothing else of the model."""

from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from classifier import Context, Model, artifact, load
from classifier.data import DataError, Row
from classifier.recalibrate import recalibrate
from tests.classifier import samples


def _silent(line: str) -> None:
    """Say nothing."""


def _rows(count: int, seed: int, wrong: float = 0.0) -> list[Row]:
    """Comments of a site; a share `wrong` of them has the other label than their words say."""
    random = Random(seed)
    made = []
    for row in samples.rows(count, seed):
        labels = tuple(int(row[label]) if row[label] else None for label in artifact.LABELS)
        if random.random() < wrong:
            labels = tuple(None if label is None else 1 - label for label in labels)
        context = Context(email_class="disposable" if labels[0] else "own")
        made.append(Row(row["text"], labels, "own", "own", "own", context))
    return made


def test_probabilities_follow_the_sites_comments(small_file: Path, tmp_path: Path) -> None:
    """Where words mislead more often than in training, the model becomes less sure, and weights stay as they were."""
    path = recalibrate(small_file, _rows(600, 11, wrong=0.25), {}, tmp_path, _silent)
    before, after = load(small_file), load(path)
    text = "you are a moron, the bread and the river are music for coffee"
    assert (before.score([text])[0].toxicity or 0) > 0.95
    assert (after.score([text])[0].toxicity or 0) == pytest.approx(0.75, abs=0.1)
    assert np.array_equal(artifact.read(path).table(), artifact.read(small_file).table())
    assert artifact.read(path).header.training["recalibrated"]["toxicity"]["comments"] == 300


def test_a_stated_share_is_met(small_file: Path, tmp_path: Path) -> None:
    """Calibrated for one spam in twenty, the mean probability of such a mix is one in twenty."""
    rows = _rows(800, 12, wrong=0.2)
    model = load(recalibrate(small_file, rows, {"spam": 0.05}, tmp_path, _silent))
    judged = [row for row in rows if row.labels[0] is not None]
    chance = np.array([s.spam for s in model.score([r.text for r in judged], context=[r.context for r in judged])])
    truth = np.array([row.labels[0] == 1 for row in judged])
    assert 0.05 * chance[truth].mean() + 0.95 * chance[~truth].mean() == pytest.approx(0.05, abs=0.01)


def test_context_is_learned(small_file: Path, tmp_path: Path) -> None:
    """What only spam shows on a site weighs more there than it did."""
    path = recalibrate(small_file, _rows(600, 13, wrong=0.3), {}, tmp_path, _silent)
    old, new = artifact.read(small_file).header, artifact.read(path).header
    ratio = new.gain[0] / old.gain[0]
    assert new.context["email:disposable"] > old.context["email:disposable"] * ratio > 0


def test_too_few_comments_change_nothing(small_file: Path, tmp_path: Path) -> None:
    """Without enough of both kinds for any label there is an error and no file."""
    with pytest.raises(DataError, match="nothing to calibrate on"):
        recalibrate(small_file, _rows(40, 14), {}, tmp_path / "out", _silent)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("only", [None, "toxicity", "spam"])
def test_exchanged_labels_are_refused(small_file: Path, tmp_path: Path, only: str | None) -> None:
    """Labels that say the opposite of the words turn no model round: there is an error and no file."""
    rows = [
        replace(row, labels=tuple(
            1 - cell if cell is not None and only in (None, label) else cell
            for label, cell in zip(artifact.LABELS, row.labels, strict=True)
        ))
        for row in _rows(600, 16)
    ]  # fmt: skip
    with pytest.raises(DataError, match=f"{only or 'spam'} contradict the model; are 0 and 1 exchanged"):
        recalibrate(small_file, rows, {}, tmp_path / "out", _silent)
    assert not (tmp_path / "out").exists()


def test_comments_that_words_tell_apart_without_error_leave_doubt(small_file: Path, tmp_path: Path) -> None:
    """Then the line is as steep as so many comments can show, not as steep as numbers go; the share is met."""
    said: list[str] = []
    path = recalibrate(small_file, _rows(600, 17), {"toxicity": 0.05}, tmp_path, said.append)
    fitted = artifact.read(path).header.training["recalibrated"]
    assert 0 < fitted["toxicity"]["slope"] < 2
    chance = load(path).score(["you are a moron, the bread and the river are music for coffee"])[0].toxicity
    assert 0.95 < (chance or 0) < 0.9999


def test_other_languages_come_along(model: Model, tmp_path: Path) -> None:
    """The new directory holds a whole model: the files of other languages are copied."""
    source = Path(artifact.__file__).parent / "model" / "english.model"
    path = recalibrate(source, _rows(400, 15, wrong=0.2), {}, tmp_path, _silent)
    assert load(path).languages == model.languages
    assert load(path).version != model.version
