"""Judge a model: how well it ranks, whom it wrongs, what slips past it.

Rows of sources that training knows flatter a model. `leave_one_out` trains without a whole family of sources
and judges on it; believe that one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from classifier import heads, probes, targets
from classifier.augment import toxic_odds, worst_words
from classifier.data import Corpus, Row, read
from classifier.disguise import WAYS, disguise
from classifier.model import Model
from classifier.normalise import normalise
from classifier.scores import LABELS, UNIT
from classifier.train import UNCALIBRATED_FAMILIES, learn

_SEED = 7
_THRESHOLDS = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
_TOXICITY, _SPAM = LABELS.index("toxicity"), LABELS.index("spam")
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ranking:
    """How one label does on some rows.

    Areas under the ROC and the precision-recall curve; the shares of positives (`found`) and of negatives
    (`wronged`) above 0.5; and how many of each there are.
    """

    auc: float
    precision: float
    found: float
    wronged: float
    positives: int
    negatives: int

    def __str__(self) -> str:
        return (
            f"AUC {self.auc:.4f}  AP {self.precision:.4f}  above 0.5: {self.found:.3f} of {self.positives} positive, "
            f"{self.wronged:.4f} of {self.negatives} negative"
        )


def rank(truth: NDArray[np.float32], odds: NDArray[np.float64] | NDArray[np.int64]) -> Ranking | None:
    """Rank the rows whose truth is known (1 or 0, not NaN) by log-odds; None without both kinds."""
    known = ~np.isnan(truth)
    truth, odds = truth[known], odds[known]
    positive = truth == 1
    if positive.all() or not positive.any():
        return None
    return Ranking(
        auc=float(roc_auc_score(truth, odds)),
        precision=float(average_precision_score(truth, odds)),
        found=float((odds[positive] > 0).mean()),
        wronged=float((odds[~positive] > 0).mean()),
        positives=int(positive.sum()),
        negatives=int((~positive).sum()),
    )


def evaluate(model: Model, data: Path, split: str, say: Say) -> None:
    """Print every table for `model` on the rows of `split`. Raises DataError."""
    corpus = read(data)
    rows = corpus.split(split)
    say(f"model {model.version}, {len(rows)} rows of split {split}")
    odds = _odds(model, [row.text for row in rows])
    for line in _rankings(rows, odds):
        say(line)
    for line in _thresholds(rows, odds):
        say(line)
    for line in _false_positives(model, corpus):
        say(line)
    for line in _disguised_recall(model, corpus.split("train"), rows):
        say(line)


def leave_one_out(data: Path, say: Say) -> None:
    """For each family of sources: train without it, judge on all of it, print. Raises DataError."""
    corpus = read(data)
    found: dict[str, list[float]] = {label: [] for label in LABELS}
    for family in corpus.families():
        if family in UNCALIBRATED_FAMILIES:
            continue
        unseen = [row for row in corpus.rows if row.family == family]
        known = [row for row in corpus.split("train") if row.family != family]
        held_out = [row for row in corpus.split("dev") if row.family != family]
        truth = targets.matrix(unseen)
        taught = (targets.matrix(known) == 1).any(axis=0)
        labels = [label for at, label in enumerate(LABELS) if taught[at] and _worth_judging(at, truth[:, at])]
        trained = learn(known, held_out, labels=labels)
        points = heads.vectors(heads.counts([row.text for row in unseen]), trained.idf2)
        for column, label in enumerate(LABELS):
            if label not in labels:
                continue
            odds = trained.platts[column].apply(heads.decide(points, trained.fitted[column]))
            ranking = rank(truth[:, column], odds)
            if ranking:
                found[label].append(ranking.auc)
                say(f"without {family:18} {label:16} {ranking}")
            else:
                share = (odds[truth[:, column] == 0] > 0).mean()
                say(f"without {family:18} {label:16} above 0.5: {share:.4f} of its negatives")
    for label, values in found.items():
        if values:
            say(f"mean of {len(values)} unseen families   {label:16} AUC {np.mean(values):.4f}")


def _worth_judging(column: int, truth: NDArray[np.float32]) -> bool:
    """Both kinds of rows can be ranked; harmless ones alone still show false positives of the two main labels."""
    harmless, harmful = bool((truth == 0).any()), bool((truth == 1).any())
    return harmless and (harmful or column in (_SPAM, _TOXICITY))


def _odds(model: Model, texts: Sequence[str]) -> NDArray[np.int64]:
    return model.log_odds([normalise(text) for text in texts])


def _rankings(rows: Sequence[Row], odds: NDArray[np.int64]) -> Iterator[str]:
    truth = targets.matrix(rows)
    sources = np.array([row.source for row in rows])
    means = []
    for column, label in enumerate(LABELS):
        whole = rank(truth[:, column], odds[:, column])
        if whole is None:
            continue
        means.append((label, whole.auc))
        yield f"{label:16} {'all sources':24} {whole}"
        for source in sorted(set(sources)):
            here = sources == source
            part = rank(truth[here, column], odds[here, column])
            if part:
                yield f"{label:16} {source:24} {part}"
    toxic = [auc for label, auc in means if label != "spam"]
    if toxic:
        yield f"mean AUC of {len(toxic)} toxicity labels {np.mean(toxic):.4f}"


def _thresholds(rows: Sequence[Row], odds: NDArray[np.int64]) -> Iterator[str]:
    """What a threshold finds, on rows no generator made: toxicity of families gathered as they came, spam of all."""
    truth = targets.matrix(rows)
    made = np.array([row.family in UNCALIBRATED_FAMILIES for row in rows])
    trusted = np.array([row.family in targets.TRUSTED_FAMILIES for row in rows])
    for column, fitting in ((_TOXICITY, trusted), (_SPAM, ~made)):
        known = fitting & ~np.isnan(truth[:, column])
        positive, chance = truth[known, column] == 1, 1 / (1 + np.exp(-odds[known, column] * UNIT))
        for threshold in _THRESHOLDS if positive.any() else ():
            above = chance > threshold
            yield (
                f"{LABELS[column]:16} threshold {threshold}  recall {above[positive].mean():.3f}  "
                f"false positives {above[~positive].mean():.4f}  precision here {positive[above].mean():.3f}"
            )


def _false_positives(model: Model, corpus: Corpus) -> Iterator[str]:
    """Share of harmless texts scored above 0.5: comments of blogs, ham, and the probes."""
    for family in ("blog_comments", "stackoverflow_ham", "sms"):
        for split in ("train", "dev"):
            ham = [r.text for r in corpus.split(split) if r.family == family and r.labels[_SPAM] == 0]
            if ham:
                yield _rates(f"{family} ham ({split})", _odds(model, ham))
    for name, texts in (
        ("neutral identity", probes.NEUTRAL_IDENTITY),
        ("short comments", probes.SHORT_COMMENTS),
        ("counter-speech", probes.COUNTER_SPEECH),
    ):
        yield _rates(f"{name} (probes)", _odds(model, texts))
    odds = _odds(model, probes.NEUTRAL_IDENTITY)[:, _TOXICITY].reshape(len(probes.SENTENCES), -1)
    rates = (odds > 0).mean(axis=0)
    worst = sorted(zip(probes.IDENTITIES, rates.tolist(), strict=True), key=lambda pair: -pair[1])[:6]
    yield "neutral identity, worst terms: " + ", ".join(f"{term} {rate:.2f}" for term, rate in worst)


def _rates(name: str, odds: NDArray[np.int64]) -> str:
    shares = (odds > 0).mean(axis=0)
    return f"above 0.5: {name:28} toxicity {shares[_TOXICITY]:.4f}  spam {shares[_SPAM]:.4f}  of {len(odds)}"


def _disguised_recall(model: Model, known: Sequence[Row], rows: Sequence[Row]) -> Iterator[str]:
    """Of the toxic rows found in clear (above 0.5): the share still found with their worst words disguised."""
    worst = toxic_odds(known)
    toxic = [row.text for row in rows if row.labels[_TOXICITY] == 1 and row.family in ("jigsaw_wiki", "davidson")]
    toxic = [text for text, odds in zip(toxic, _odds(model, toxic), strict=True) if odds[_TOXICITY] > 0]
    toxic = [text for text in toxic if worst_words(text, worst)]
    if not toxic:
        return
    kept = []
    for way in WAYS:
        random = Random(_SEED)
        texts = [disguise(text, worst_words(text, worst), way, random) for text in toxic]
        kept.append(float((_odds(model, texts)[:, _TOXICITY] > 0).mean()))
        yield f"recall kept, {way:10} {kept[-1]:.4f} of {len(toxic)}"
    yield f"recall kept, mean       {np.mean(kept):.4f}"
