"""Fit a model's probabilities to a site's own comments.

Words keep their weights. For each label with enough comments of both kinds, Platt's line is fitted to the model's
log-odds on them, and what is known beside the text gets weights by how often spam and other comments show it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier import artifact, context, heads, targets
from classifier.data import DataError, Row
from classifier.model import Model, Table
from classifier.normalise import normalise_all
from classifier.scores import LABELS, UNIT

LEAST = 50
"""Comments of each kind that a label needs; with fewer its calibration stays."""

_SPAM = LABELS.index("spam")


def recalibrate(
    model: Path, rows: Sequence[Row], shares: Mapping[str, float], out: Path, say: Callable[[str], None]
) -> Path:
    """Write the main table of `model`, fitted to `rows`, to the directory `out`, and its other files beside it.

    shares: by label the share of positives to calibrate for, where it is not the one in `rows`. Comments in a
    language of another table do not count. Returns the new file. Raises DataError if no label has enough comments,
    or the labels say the opposite of the model.
    """
    loaded = artifact.read(model)
    main = Model(loaded)
    fit = [
        row for row, one in zip(rows, main.score([row.text for row in rows]), strict=True) if one.toxicity is not None
    ]
    odds = Table.unpack(loaded).log_odds(normalise_all([row.text for row in fit])) * UNIT
    header, learned = loaded.header, _context(fit)
    gain, bias, fitted = list(header.gain), list(header.bias), {}
    beside = np.array([sum(learned.get(name, 0.0) for name in _named(row)) for row in fit])
    truth = targets.matrix(fit)
    for column, label in enumerate(LABELS):
        positive, negative = (int((truth[:, column] == kind).sum()) for kind in (1, 0))
        if label not in header.measured or min(positive, negative) < LEAST:
            say(f"{label}: {positive} positive, {negative} negative comments; {LEAST} of each are needed, it stays")
            continue
        share = shares.get(label, positive / (positive + negative))
        raw = odds[:, column] + (beside if column == _SPAM else 0)
        platt = _line(label, raw, truth[:, column], share)
        if column == _SPAM:
            _line(label, odds[:, column], truth[:, column], share)  # what stands beside may agree with anything
        gain[column] = round(gain[column] * platt.slope)
        bias[column] = round(bias[column] * platt.slope + platt.offset / UNIT)
        if column == _SPAM:
            learned = {name: odds * platt.slope for name, odds in learned.items()}
        fitted[label] = {"slope": platt.slope, "offset": platt.offset, "share": share, "comments": positive + negative}
        say(f"{label}: slope {platt.slope:.3f}, offset {platt.offset:+.3f}, for {share:.1%} of comments")
    if not fitted:
        raise DataError(f"No label has {LEAST} comments of each kind: there is nothing to calibrate on.")
    changed = replace(
        header,
        gain=tuple(gain),
        bias=tuple(bias),
        context={name: round(value / UNIT) for name, value in learned.items()} if "spam" in fitted else header.context,
        training={**header.training, "recalibrated": fitted},
    )
    return _write(model, changed, loaded, out, say)


def _line(label: str, raw: NDArray[np.floating[Any]], truth: targets.Column, share: float) -> heads.Platt:
    """Platt's line. Raises DataError where it would turn the model round."""
    platt = heads.calibrate(np.asarray(raw, np.float64), truth, np.ones(len(raw), np.float32), share)
    if platt.slope <= 0:
        raise DataError(
            f"The labels of {label} contradict the model; are 0 and 1 exchanged? (The slope would be "
            f"{platt.slope:.2f}; nothing was written.)"
        )
    return platt


def _write(
    model: Path, header: artifact.Header, loaded: artifact.Artifact, out: Path, say: Callable[[str], None]
) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    others = [path for path in model.parent.glob("*.model") if path.name != model.name]
    if out.resolve() != model.parent.resolve():
        for other in others:
            for file in (other, artifact.checksum_path(other)):
                (out / file.name).write_bytes(file.read_bytes())
    path = out / model.name
    digest = artifact.write(path, header, loaded.table())
    say(f"wrote {path}, sha256 {digest}")
    return path


def _named(row: Row) -> tuple[str, ...]:
    return () if row.context is None else row.context.features(row.text)


def _context(rows: Sequence[Row]) -> dict[str, float]:
    spam = [(_named(row), row.labels[_SPAM] == 1) for row in rows if row.labels[_SPAM] is not None]
    return context.weights(context.learn(spam))
