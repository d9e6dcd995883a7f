"""Both tiers on sources that neither was trained on, beside the first alone and TF-IDF with logistic regression.

A network is trained without several families at once, since training one without each takes days; all contestants are
trained without the same ones, so that what is compared is the same task, a harder one than leaving one out.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from classifier import baselines, targets
from classifier.data import DataError, Row, read
from classifier.evaluate import Ranking, rank
from classifier.lessons import Lessons
from classifier.report import Figures
from classifier.scores import LABELS
from classifier.second import blend
from classifier.second.train import raw_odds, tuned, vocabulary
from classifier.train import learn
from classifier.unseen import ROTATED

SHARES = (0.0, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0)
"""Of the first tier, to see which is best on average."""

_NAMES = ("both", "second", "first", "TF-IDF")


@dataclass(frozen=True, slots=True)
class _Judged:
    """Areas of one label on one family: of the contestants as in `_NAMES`, and of both tiers by share."""

    label: str
    family: str
    areas: list[float]
    by_share: list[float]
    positives: int
    negatives: int


def unseen(
    data: Path, base: Path, works: Sequence[Path], say: Callable[[str], None], lessons: Sequence[Lessons] = ()
) -> Iterator[Figures]:
    """One table for all networks in `works` (see `train.tune`).

    lessons: the first tier learns from those of the teacher that was trained without the same. Raises DataError,
    OSError.
    """
    rows = list(read(data).rows)
    counted = baselines.Counted([row.text for row in rows])
    table = Figures(
        "Sources left out of training, several at once, AUC on all their rows",
        ("label", "left out", "both tiers", "second alone", "first alone", "TF-IDF, logistic regression", "positive",
         "negative"),
        digits=4,
    )  # fmt: skip
    shares = Figures(
        "The same, both tiers by the first tier's share of their sum, mean AUC",
        ("label", *(f"{share:g}" for share in SHARES)),
        digits=4,
    )
    found: dict[str, list[_Judged]] = {label: [] for label in ROTATED}
    for work in works:
        for one in _judged(rows, counted, base, work, lessons):
            table.add(one.label, one.family, *one.areas, one.positives, one.negatives)
            found[one.label].append(one)
            said = ", ".join(f"{name} {area:.4f}" for name, area in zip(_NAMES, one.areas, strict=True))
            say(f"without {one.family}: {one.label} {said}")
    for label, judged in found.items():
        if judged:
            areas = np.mean([one.areas for one in judged], axis=0).tolist()
            table.add(label, f"mean of {len(judged)}", *areas, None, None)
            shares.add(label, *np.mean([one.by_share for one in judged], axis=0).tolist())
    yield table
    yield shares


def _judged(
    rows: Sequence[Row], counted: baselines.Counted, base: Path, work: Path, lessons: Sequence[Lessons]
) -> Iterator[_Judged]:
    network, record = tuned(work)
    without = set(record["without"])
    asked = [at for at, row in enumerate(rows) if row.family in without]
    known = [at for at, row in enumerate(rows) if row.family not in without and row.split == "train"]
    teachers, texts = [rows[at] for at in known], [rows[at].text for at in asked]
    second = raw_odds(network, vocabulary(base), texts, record["settings"]["longest"])
    held_out = [row for row in rows if row.family not in without and row.split == "dev"]
    taught = next((one for one in lessons if one.without == without), None)
    if lessons and taught is None:
        raise DataError(f"No lessons are from a teacher that was trained without {', '.join(sorted(without))}.")
    first = learn(teachers, held_out, ROTATED, lessons=taught).decision_function(texts)
    wanted, weights = targets.for_heads(teachers, LABELS)
    points, asking = counted.vectors(np.array(known), np.array(asked))
    truth = targets.matrix([rows[at] for at in asked])
    families = np.array([rows[at].family for at in asked])
    for label in ROTATED:
        at = LABELS.index(label)
        usual = baselines.regress(points, wanted[:, at], weights[:, at], asking)
        for family in sorted(without):
            here = families == family
            pair = first[here, at], second[here, at]
            spreads = [float(first[:, at].std()), float(second[:, at].std())]
            contestants = (blend.mixed(*pair, spreads, blend.FIRST[label]), pair[1], pair[0], usual[here])
            ranks = [rank(truth[here, at], odds) for odds in contestants]
            mixed = [rank(truth[here, at], blend.mixed(*pair, spreads, share)) for share in SHARES]
            if ranks[0]:
                yield _Judged(label, family, _areas(ranks), _areas(mixed), ranks[0].positives, ranks[0].negatives)


def _areas(ranks: Sequence[Ranking | None]) -> list[float]:
    return [one.auc for one in ranks if one]
