"""Train without what is judged: whole sources left out in rotation, and folds for calibration.

These are the figures to believe. They retrain the model many times, so they take minutes to an hour. A model that
learned from lessons is judged by the lessons of teachers that never saw the families that it is judged on.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from classifier import artifact, baselines, calibration, heads, targets
from classifier.data import DataError, Row, read
from classifier.evaluate import rank
from classifier.groups import ENGLISH, Group
from classifier.lessons import Lessons
from classifier.report import Curve, Figures, reliability_plot
from classifier.scores import LABELS
from classifier.train import UNCALIBRATED_FAMILIES, learn

ROTATED = ("toxicity", "identity_attack", "spam")
RATES = {"toxicity": (0.096,), "spam": (0.30, 0.05)}
"""Shares of positives that calibration is judged at."""

FOLDS = 3
_SEED = 5
Say = Callable[[str], None]


def check(model: Path, lessons: Sequence[Lessons]) -> None:
    """Raise DataError where `model` learned from lessons and there are none to judge it by."""
    if "lessons" in artifact.read(model).header.training and not lessons:
        raise DataError(
            f"{model} learned from lessons. Say with --lessons which it is judged by: those of teachers that were "
            "trained without the families that it is judged on."
        )


def unseen(data: Path, say: Say, labels: Sequence[str] = ROTATED, lessons: Sequence[Lessons] = ()) -> Iterator[Figures]:
    """For each family of sources: train without it, judge on all of it; the same for the baseline.

    lessons: of teachers that were trained without families, so that there is one for each. Raises DataError.
    """
    rows = list(read(data).rows)
    families = sorted({row.family for row in rows} - UNCALIBRATED_FAMILIES)
    counted = baselines.Counted([row.text for row in rows])
    table = Figures(
        "Sources left out of training in rotation, AUC on all their rows",
        ("label", "left out", "this model", "TF-IDF, logistic regression", "difference", "positive", "negative"),
        digits=4,
    )
    found: dict[str, list[tuple[float, float]]] = {label: [] for label in labels}
    judged = [family for family in families if _judged(_rows_of(family, rows), labels)]
    teachers = {family: _teacher(family, lessons) for family in judged}
    for family in judged:
        for label, ours, theirs, positives, negatives in _without(family, rows, counted, labels, teachers[family]):
            table.add(label, family, ours, theirs, ours - theirs, positives, negatives)
            found[label].append((ours, theirs))
            say(f"without {family}: {label} {ours:.4f}, TF-IDF {theirs:.4f}")
    for label, pairs in found.items():
        if pairs:
            ours, theirs = np.mean(pairs, axis=0).tolist()
            table.add(label, f"mean of {len(pairs)}", ours, theirs, ours - theirs, None, None)
    yield table


def _without(
    family: str, rows: Sequence[Row], counted: baselines.Counted, labels: Sequence[str], lessons: Lessons | None
) -> Iterator[tuple[str, float, float, int, int]]:
    asked = [at for at, row in enumerate(rows) if row.family == family]
    known = [at for at, row in enumerate(rows) if row.family != family and row.split == "train"]
    truth = targets.matrix([rows[at] for at in asked])
    judged = _judged([rows[at] for at in asked], labels)
    learned = [rows[at] for at in known]
    held_out = [row for row in rows if row.family != family and row.split == "dev"]
    trained = learn(learned, held_out, judged, lessons=lessons)
    odds = trained.decision_function([rows[at].text for at in asked])
    wanted, weights = targets.for_heads(learned, judged)
    points, asking = counted.vectors(np.array(known), np.array(asked))
    for label in judged:
        column = LABELS.index(label)
        ours = rank(truth[:, column], odds[:, column])
        usual = rank(truth[:, column], baselines.regress(points, wanted[:, column], weights[:, column], asking))
        if ours and usual:
            yield label, ours.auc, usual.auc, ours.positives, ours.negatives


def _rows_of(family: str, rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.family == family]


def _judged(rows: Sequence[Row], labels: Sequence[str]) -> list[str]:
    """The labels that `rows` have both kinds of."""
    truth = targets.matrix(rows)
    return [label for label in labels if _both(truth[:, LABELS.index(label)])]


def _teacher(family: str, lessons: Sequence[Lessons]) -> Lessons | None:
    """The lessons of a teacher that never saw `family`; None where there are no lessons at all."""
    found = next((one for one in lessons if family in one.without), None)
    if lessons and found is None:
        raise DataError(f"No lessons are from a teacher that was trained without {family}.")
    if found is not None and (seen := sorted({one.family for one in found.given} & found.without)):
        raise DataError(f"Lessons of a teacher that was trained without {', '.join(seen)} hold lessons of it.")
    return found


def _both(truth: targets.Column) -> bool:
    return bool((truth == 0).any() and (truth == 1).any())


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Rows and, for each, the log-odds (rows x labels) of a model that never saw it."""

    rows: Sequence[Row]
    odds: calibration.Matrix

    def judged(self, label: str) -> tuple[calibration.Vector, NDArray[np.bool_]]:
        """Log-odds and truth of the rows that `label` is judged on.

        Spam: all that no generator made. Toxicity: families gathered as they came, where there are such.
        """
        column = LABELS.index(label)
        truth = targets.matrix(self.rows)[:, column]
        fit = ~np.isnan(truth) & np.array([row.family not in UNCALIBRATED_FAMILIES for row in self.rows])
        trusted = np.array([row.family in targets.TRUSTED_FAMILIES for row in self.rows])
        if label != "spam" and trusted.any():
            fit &= trusted
        return self.odds[fit, column], truth[fit] == 1


def out_of_fold(
    data: Path, say: Say, group: Group = ENGLISH, folds: int = FOLDS, lessons: Sequence[Lessons] = ()
) -> OutOfFold:
    """Score every row by a model trained on the other folds and calibrated on a fifth of them.

    With lessons, by one that learned from a teacher that never saw its family; so are the rows scored that calibration
    is fitted to, one line for all. Rows that a generator made are judged by nobody and left at even odds then.
    Raises DataError.
    """
    rows = list(read(data / group.folder, group.language).rows)
    fold, family = _folds(rows, folds), np.array([row.family for row in rows])
    for one in set(family.tolist()) - UNCALIBRATED_FAMILIES:
        _teacher(one, lessons)
    odds = np.zeros((len(rows), len(LABELS)))
    labels = tuple(label for label in RATES if label in group.labels)
    for number in range(folds):
        asked, others = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        held_out = np.sort(np.random.default_rng(_SEED).permutation(others)[: len(others) // 5])
        learned = [rows[at] for at in np.setdiff1d(others, held_out)]
        raw = np.zeros_like(odds)
        for teacher in lessons or (None,):
            judged = np.union1d(asked, held_out)
            if teacher is not None:
                judged = judged[np.isin(family[judged], list(teacher.without))]
            trained = learn(learned, (), labels, english=group == ENGLISH, lessons=teacher)
            raw[judged] = trained.decision_function([rows[at].text for at in judged])
        odds[asked] = _calibrated_on([rows[at] for at in held_out], raw[held_out], labels, raw[asked])
        say(f"{group.name}: fold {number + 1} of {folds}")
    return OutOfFold(rows, odds)


def _calibrated_on(
    rows: Sequence[Row], raw: calibration.Matrix, labels: Sequence[str], asked: calibration.Matrix
) -> calibration.Matrix:
    """The log-odds `asked`, by the lines that calibration finds for `rows`, which have the log-odds `raw`."""
    fit = np.array([row.family not in UNCALIBRATED_FAMILIES for row in rows])
    target, weight = targets.for_calibration([row for row in rows if row.family not in UNCALIBRATED_FAMILIES], labels)
    lines = [
        heads.calibrate(raw[fit, column], target[:, column], weight[:, column], heads.BASE_RATES[label])
        for column, label in enumerate(LABELS)
    ]
    return np.stack([line.apply(asked[:, column]) for column, line in enumerate(lines)], axis=1)


def calibrated(found: OutOfFold) -> Iterator[Figures]:
    """Calibration error of rows out of fold at the shares of `RATES`, beside that of a perfect model."""
    table = Figures(
        f"Calibration error, {calibration.BINS} bins of equal weight, rows out of fold at natural shares",
        ("label", "share of positives", "error", "perfect model, 95th percentile", "rows"),
        digits=4,
    )
    for label, rates in RATES.items():
        odds, positive = found.judged(label)
        if positive.all() or not positive.any():
            continue
        for rate in rates:
            chance = _chance(odds, label, rate)
            bins = calibration.bins(chance, positive, calibration.natural_weights(positive, rate))
            perfect = calibration.perfect_error(chance, rate, positive)
            table.add(label, f"{rate:.1%}", calibration.error(bins), perfect, len(positive))
    yield table


def plotted(found: OutOfFold, title: str) -> str:
    """The reliability plot of the same rows, as SVG."""
    curves = []
    for label, rates in RATES.items():
        odds, positive = found.judged(label)
        if positive.all() or not positive.any():
            continue
        for rate in rates:
            weights = calibration.natural_weights(positive, rate)
            curves.append(
                Curve(f"{label} at {rate:.1%}", calibration.bins(_chance(odds, label, rate), positive, weights))
            )
    return reliability_plot(title, curves)


def _chance(odds: calibration.Vector, label: str, rate: float) -> calibration.Vector:
    return np.asarray(1 / (1 + np.exp(-calibration.shifted(odds, heads.BASE_RATES[label], rate))))


def _folds(rows: Sequence[Row], folds: int) -> calibration.Numbers:
    """A fold for each row, the rows of each family spread evenly."""
    order = np.random.default_rng(_SEED).permutation(len(rows))
    by_family = sorted(order.tolist(), key=lambda at: rows[at].family)
    fold = np.zeros(len(rows), dtype=np.int64)
    fold[by_family] = np.arange(len(rows)) % folds
    return fold
