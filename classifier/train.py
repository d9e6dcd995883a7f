"""Train a model: read labelled comments, fit and calibrate the heads, fold, round, write.

Nothing is drawn at random without a seed and every fit runs on one thread, so the same data and the same
libraries give the same bytes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray

from classifier import artifact, heads, targets
from classifier.augment import augment
from classifier.data import Corpus, Row, read
from classifier.features import SLOTS
from classifier.scores import LABELS, UNIT

RELEASE = "2026.11"
SEED = 20261101
UNCALIBRATED_FAMILIES = {"synth", "synth_identity"}
"""Families made by a generator teach, but do not say how sure the model may be."""


def _silent(line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True)
class Trained:
    """Fitted heads and their calibration before rounding; `idf2` int8, one per slot."""

    idf2: NDArray[np.int8]
    fitted: tuple[heads.Head, ...]
    platts: tuple[heads.Platt, ...]


def train(data: Path, out: Path, say: Callable[[str], None] = _silent) -> str:
    """Train on the `train` rows of `data`, calibrate on its `dev` rows, write the model to `out`.

    `out` is the model file; its checksum is written beside it. Returns the model's SHA-256. Raises DataError.
    """
    corpus = read(data)
    rows = corpus.split("train")
    say(f"{len(rows)} rows to learn from")
    trained = learn(rows, corpus.split("dev"), say)
    header, table = fold(trained, describe(corpus, trained))
    out.parent.mkdir(parents=True, exist_ok=True)
    digest = artifact.write(out, header, table)
    say(f"wrote {out}, {out.stat().st_size} bytes, sha256 {digest}")
    return digest


def learn(
    rows: Sequence[Row], held_out: Sequence[Row], say: Callable[[str], None] = _silent, labels: Sequence[str] = LABELS
) -> Trained:
    """Fit the heads of `labels` on `rows`, and on rows made from them, and calibrate them on `held_out`.

    The head of any other label gives every text even odds.
    """
    rows = [*rows, *augment(rows, SEED)]
    judged = [row for row in held_out if row.family not in UNCALIBRATED_FAMILIES]
    seen = heads.counts([row.text for row in rows])
    idf2 = heads.squared_idf(seen)
    points = heads.vectors(seen, idf2)
    judged_points = heads.vectors(heads.counts([row.text for row in judged]), idf2)
    known, weights, judged_known = targets.matrix(rows), targets.family_weights(rows), targets.matrix(judged)
    fitted, platts = [], []
    for column, label in enumerate(LABELS):
        head, platt = heads.Head(np.zeros(SLOTS), 0.0), heads.Platt(1.0, 0.0)
        if label in labels:
            head = heads.fit(points, *targets.for_head(known, weights, column))
            trust = targets.calibration_weights(judged, column)
            truth, trust = targets.for_head(judged_known, trust, column, across=0)
            platt = heads.calibrate(heads.decide(judged_points, head), truth, trust, heads.BASE_RATES[label])
            say(f"{label}: slope {platt.slope:.3f}, offset {platt.offset:.3f}")
        fitted.append(head)
        platts.append(platt)
    return Trained(idf2, tuple(fitted), tuple(platts))


def fold(trained: Trained, training: dict[str, Any]) -> tuple[artifact.Header, NDArray[np.int8]]:
    """Fold idf and calibration into an int8 table and integer gains and biases."""
    table = np.zeros((SLOTS, artifact.COLUMNS), dtype=np.int8)
    table[:, -1] = trained.idf2
    idf = np.sqrt(trained.idf2.astype(np.float64))
    gain, bias = [], []
    for column, (head, platt) in enumerate(zip(trained.fitted, trained.platts, strict=True)):
        weights = head.coefficients * idf
        step = max(float(np.abs(weights).max()) / heads.LARGEST, 1e-9)
        table[:, column] = np.clip(np.rint(weights / step), -heads.LARGEST, heads.LARGEST)
        gain.append(round(platt.slope * step / UNIT))
        bias.append(round((platt.slope * head.intercept + platt.offset) / UNIT))
    return artifact.Header(RELEASE, ("en",), tuple(gain), tuple(bias), training), table


def describe(corpus: Corpus, trained: Trained) -> dict[str, Any]:
    """What the header records about the training: data, counts, settings, calibration."""
    rows = corpus.split("train")
    return {
        "data": corpus.hashes,
        "rows": {split: len(corpus.split(split)) for split in ("train", "dev")},
        "labelled": {
            label: {
                "positive": sum(row.labels[at] == 1 for row in rows),
                "negative": sum(row.labels[at] == 0 for row in rows),
            }
            for at, label in enumerate(LABELS)
        },
        "base_rates": heads.BASE_RATES,
        "calibration": {
            label: {"slope": round(platt.slope, 6), "offset": round(platt.offset, 6)}
            for label, platt in zip(LABELS, trained.platts, strict=True)
        },
        "settings": {
            "least_texts": heads.LEAST_TEXTS,
            "strength": heads.STRENGTH,
            "seed": SEED,
            "family_weights": targets.FAMILY_WEIGHTS,
            "trusted_families": sorted(targets.TRUSTED_FAMILIES),
            "doubted": targets.DOUBTED,
            "implied": targets.IMPLIED,
            "across": targets.ACROSS,
            "scikit_learn": sklearn.__version__,
            "numpy": np.__version__,
        },
    }
