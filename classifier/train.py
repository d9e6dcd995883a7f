"""Train models: read labelled comments, fit and calibrate the heads, fold, round, write.

Nothing is drawn at random without a seed and every fit runs on one thread, so the same data and the same
libraries give the same bytes.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sklearn

from classifier import artifact, context, heads, targets
from classifier.augment import augment
from classifier.data import Corpus, DataError, Row, read
from classifier.estimator import CommentClassifier
from classifier.groups import ENGLISH, GROUPS, LEAST_JUDGED, Group
from classifier.lessons import TAUGHT, WEIGHTS, Lessons
from classifier.scores import LABELS, UNIT

RELEASE = "2026.12"
SEED = 20261101
UNCALIBRATED_FAMILIES = {"synth", "synth_identity"}
"""Families made by a generator teach, but do not say how sure the model may be."""


def _silent(line: str) -> None:
    """Say nothing."""


def train(
    data: Path,
    out: Path,
    say: Callable[[str], None] = _silent,
    names: Sequence[str] = (),
    lessons: Lessons | None = None,
) -> list[Path]:
    """Train the groups of `names` (none: all that have data) and write their files to the directory `out`.

    Learns from `train` rows of `data`, in English from `lessons` too, and calibrates on its `dev` rows. Returns the
    files. Raises DataError.
    """
    out.mkdir(parents=True, exist_ok=True)
    chosen = [group for group in GROUPS if group.name in names or not names]
    return [
        train_group(group, data / group.folder, out / group.file, say, lessons if group == ENGLISH else None)
        for group in chosen
        if names or group == ENGLISH or _has_data(group, data / group.folder)
    ]


def _has_data(group: Group, data: Path) -> bool:
    files = any(data.glob("*.csv.gz"))
    return files and bool(measured_labels(group, read(data, group.language).split("dev")))


def train_group(
    group: Group, data: Path, out: Path, say: Callable[[str], None] = _silent, lessons: Lessons | None = None
) -> Path:
    """Train one group on the rows of its language in `data`; its checksum is written beside `out`. Raises DataError."""
    corpus = read(data, group.language)
    rows, held_out = corpus.split("train"), corpus.split("dev")
    measured = measured_labels(group, held_out)
    if not measured:
        raise DataError(f"{data} has too few dev rows in {group.name} to measure any label on")
    say(f"{group.name}: {len(rows)} rows to learn {', '.join(measured)} from")
    trained = learn(rows, held_out, measured, english=group == ENGLISH, lessons=lessons)
    for label, platt in zip(LABELS, trained.platts_, strict=True):
        if label in measured:
            say(f"{group.name} {label}: slope {platt.slope:.3f}, offset {platt.offset:.3f}")
    header = trained.header(
        release=RELEASE,
        languages=(group.language,),
        measured=measured,
        context={name: round(odds / UNIT) for name, odds in context.weights().items()} if "spam" in measured else {},
        training=describe(corpus, trained, lessons),
    )
    digest = artifact.write(out, header, trained.weights_)
    say(f"wrote {out}, {out.stat().st_size} bytes, sha256 {digest}")
    return out


def measured_labels(group: Group, held_out: Sequence[Row]) -> tuple[str, ...]:
    """The labels of `group` that enough rows let us judge."""
    return tuple(
        label
        for column, label in enumerate(LABELS)
        if label in group.labels
        and min(sum(row.labels[column] == kind for row in held_out) for kind in (0, 1)) >= LEAST_JUDGED
    )


def learn(
    rows: Sequence[Row], held_out: Sequence[Row], labels: Sequence[str] = LABELS, english: bool = True,
    lessons: Lessons | None = None,
) -> CommentClassifier:  # fmt: skip
    """Fit the heads of `labels` on `rows`, on rows made from them and on `lessons`; calibrate them on `held_out`.

    The head of any other label gives every text even odds. english: make such rows; their templates are English.
    """
    rows = [*rows, *augment(rows, SEED)] if english else list(rows)
    judged = [row for row in held_out if row.family not in UNCALIBRATED_FAMILIES]
    texts, (target, weight) = [row.text for row in rows], targets.for_heads(rows, labels)
    if lessons is not None:
        taught, taught_weight = lessons.targets(labels)
        texts += lessons.texts
        target, weight = np.concatenate([target, taught]), np.concatenate([weight, taught_weight])
    trained = CommentClassifier().fit(texts, target, weight, counted=len(rows))
    return trained.calibrate(
        [row.text for row in judged],
        *targets.for_calibration(judged, labels),
        base_rates=[heads.BASE_RATES[label] for label in LABELS],
    )


def describe(corpus: Corpus, trained: CommentClassifier, lessons: Lessons | None) -> dict[str, Any]:
    """What the header records about the training: data, counts, settings, calibration, the teacher."""
    rows = corpus.split("train")
    used = {row.family for row in corpus.rows}
    return {
        "data": {name: digest for name, digest in corpus.hashes.items() if name.removesuffix(".csv.gz") in used},
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
            for label, platt in zip(LABELS, trained.platts_, strict=True)
        },
        "settings": {
            **trained.get_params(),
            "seed": SEED,
            "family_weights": targets.FAMILY_WEIGHTS,
            "trusted_families": sorted(targets.TRUSTED_FAMILIES),
            "doubted": targets.DOUBTED,
            "implied": targets.IMPLIED,
            "across": targets.ACROSS,
            "context_shares": context.SHARES,
            "scikit_learn": sklearn.__version__,
            "numpy": np.__version__,
        },
    } | _taught(lessons)


def _taught(lessons: Lessons | None) -> dict[str, Any]:
    if lessons is None:
        return {}
    named = {"teacher": lessons.teacher, "sha256": lessons.digest, "number": len(lessons.given)}
    return {"lessons": {**named, "weights": WEIGHTS, "labels": list(TAUGHT)}}
