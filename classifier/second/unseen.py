"""Both tiers on sources that neither was trained on, beside the first alone and TF-IDF with logistic regression.

A network is trained without several families at once, since training one without each takes days; all contestants are
trained without the same ones, so that what is compared is the same task, a harder one than leaving one out.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from classifier import baselines, targets
from classifier.data import Row, read
from classifier.evaluate import rank
from classifier.report import Figures
from classifier.scores import LABELS
from classifier.second import blend
from classifier.second.train import raw_odds, tuned, vocabulary
from classifier.train import learn
from classifier.unseen import ROTATED

_NAMES = ("both", "second", "first", "TF-IDF")


def unseen(data: Path, base: Path, works: Sequence[Path], say: Callable[[str], None]) -> Iterator[Figures]:
    """One table for all networks in `works` (see `train.tune`). Raises DataError, OSError."""
    rows = list(read(data).rows)
    counted = baselines.Counted([row.text for row in rows])
    table = Figures(
        "Sources left out of training, several at once, AUC on all their rows",
        ("label", "left out", "both tiers", "second alone", "first alone", "TF-IDF, logistic regression", "positive",
         "negative"),
        digits=4,
    )  # fmt: skip
    found: dict[str, list[list[float]]] = {label: [] for label in ROTATED}
    for work in works:
        for label, family, areas, positives, negatives in _judged(rows, counted, base, work):
            table.add(label, family, *areas, positives, negatives)
            found[label].append(areas)
            said = ", ".join(f"{name} {area:.4f}" for name, area in zip(_NAMES, areas, strict=True))
            say(f"without {family}: {label} {said}")
    for label, areas_of in found.items():
        if areas_of:
            table.add(label, f"mean of {len(areas_of)}", *np.mean(areas_of, axis=0).tolist(), None, None)
    yield table


def _judged(
    rows: Sequence[Row], counted: baselines.Counted, base: Path, work: Path
) -> Iterator[tuple[str, str, list[float], int, int]]:
    network, record = tuned(work)
    without = set(record["without"])
    asked = [at for at, row in enumerate(rows) if row.family in without]
    known = [at for at, row in enumerate(rows) if row.family not in without and row.split == "train"]
    teachers, texts = [rows[at] for at in known], [rows[at].text for at in asked]
    second = raw_odds(network, vocabulary(base), texts, record["settings"]["longest"])
    held_out = [row for row in rows if row.family not in without and row.split == "dev"]
    first = learn(teachers, held_out, ROTATED).decision_function(texts)
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
            both = blend.mixed(*pair, [float(first[:, at].std()), float(second[:, at].std())])
            ranks = [rank(truth[here, at], odds) for odds in (both, pair[1], pair[0], usual[here])]
            if ranks[0]:
                areas = [one.auc for one in ranks if one]
                yield label, family, areas, ranks[0].positives, ranks[0].negatives
