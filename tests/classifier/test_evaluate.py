"""Judging: the tables are printed and their figures are right."""

from pathlib import Path

import numpy as np
import pytest

from classifier import Model, augment, evaluate, probes, speed
from tests.classifier import samples


def test_ranking_counts_what_it_says() -> None:
    """Areas, recall and false positives of a case worked out by hand; rows without a label do not count."""
    truth = np.array([1, 0, 1, 0, np.nan], dtype=np.float32)
    ranking = evaluate.rank(truth, np.array([3.0, 1.0, -1.0, -2.0, 9.0]))
    assert ranking == evaluate.Ranking(0.75, pytest.approx(5 / 6), 0.5, 0.5, 2, 2)


def test_one_kind_cannot_be_ranked() -> None:
    """Without negatives there is no ranking."""
    assert evaluate.rank(np.ones(3, np.float32), np.arange(3.0)) is None


def test_every_table_is_printed(small: Model, data: Path) -> None:
    """Ranking by label and source, harmless texts, and disguises are all there."""
    lines: list[str] = []
    evaluate.evaluate(small, data, "dev", lines.append)
    printed = "\n".join(lines)
    assert small.version in lines[0]
    assert all(part in printed for part in ("spam             ads", "toxicity         talk", "neutral identity"))


def test_a_family_is_judged_by_a_model_that_never_saw_it(tmp_path: Path) -> None:
    """Leaving one out prints a line for each family and label, but for a label only that family could teach."""
    made = samples.rows(400, seed=3)
    for at, row in enumerate(made):
        if row["family"] == "ads" and at % 4:
            row["family"] = "offers"
    samples.write_data(tmp_path, made)
    lines: list[str] = []
    evaluate.leave_one_out(tmp_path, lines.append)
    judged = {tuple(line.split()[1:3]) for line in lines if line.startswith("without")}
    assert judged == {("ads", "spam"), ("offers", "spam")}
    assert lines[-1].startswith("mean of 2 unseen families   spam")


def test_probes_are_not_what_training_saw() -> None:
    """No probe is among the sentences that training makes."""
    made = {row.text.lower() for row in augment.augment([], seed=1)}
    assert made.isdisjoint(text.lower() for text in (*probes.NEUTRAL_IDENTITY, *probes.COUNTER_SPEECH))


def test_speed_is_measured_beside_the_usual_way(small: Model, data: Path) -> None:
    """The model and the scikit-learn baseline are timed in one run."""
    lines: list[str] = []
    speed.measure(small, data, lines.append)
    assert [line.split()[0] for line in lines[1:]] == ["this", "HashingVectorizer+SGD,", "HashingVectorizer+SGD,"]
