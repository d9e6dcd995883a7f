"""Judge a model: how well it ranks, whom it wrongs, what slips past it.

Each measure prints tables and takes its baselines along in the same run. Rows of sources that training knows flatter
a model: believe `unseen` (see `classifier.unseen`), which trains without a whole source and judges on it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from classifier import baselines, calibration, probes, targets
from classifier.augment import telling_odds, worst_words
from classifier.data import Corpus, Row, read
from classifier.disguise import HELD_OUT, TEN, WAYS, disguise
from classifier.groups import ENGLISH, GROUPS, Group
from classifier.model import Model
from classifier.normalise import normalise_all
from classifier.report import Curve, Figures, reliability_plot
from classifier.scores import LABELS, TOXICITY_LABELS, UNIT
from classifier.train import UNCALIBRATED_FAMILIES

_SEED = 7
_THRESHOLDS = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
_LENGTHS = (0, 40, 100, 200, 500, 1 << 30)
_TOXICITY, _SPAM = LABELS.index("toxicity"), LABELS.index("spam")

Odds = NDArray[np.floating[Any]]
Truth = NDArray[np.float32]


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


def rank(truth: Truth, odds: Odds) -> Ranking | None:
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


def log_odds(model: Model, texts: Sequence[str]) -> Odds:
    """Log-odds of the main table, texts x labels, whatever the language."""
    return np.asarray(model.log_odds(normalise_all(texts)) * UNIT)


def own(model: Model, rows: Sequence[Row]) -> Iterator[Figures]:
    """A site's own labelled comments: ranking, calibration and thresholds, as the service would score them."""
    truth, odds = targets.matrix(rows), served_odds(model, rows)
    silent = np.isnan(odds).mean(axis=0)
    table = Figures(f"{len(rows):,} comments, model {model.version}", _RANKED, digits=4)
    _add_rankings(table, rows, truth, odds, sources=True)
    yield table
    table = Figures("No opinion, by label", ("label", "share of comments"))
    for label, share in zip(LABELS, silent.tolist(), strict=True):
        table.add(label, share)
    yield table
    table = Figures(
        "Calibration error, 15 bins of equal weight", ("label", "error", "perfect, 95th percentile", "rows")
    )
    for column, label in enumerate(LABELS):
        judged = ~np.isnan(truth[:, column]) & ~np.isnan(odds[:, column])
        positive = truth[judged, column] == 1
        if positive.all() or not positive.any():
            continue
        chance = 1 / (1 + np.exp(-odds[judged, column]))
        found = calibration.bins(chance, positive, np.ones(len(chance)))
        perfect = calibration.perfect_error(chance, float(positive.mean()), positive)
        table.add(label, calibration.error(found), perfect, len(chance))
    yield table
    yield thresholds(truth, odds, "What a threshold finds here")


def reliability(model: Model, rows: Sequence[Row]) -> str:
    """The reliability plot of a site's own labelled comments, as SVG."""
    truth, odds = targets.matrix(rows), served_odds(model, rows)
    curves = []
    for column, label in enumerate(LABELS):
        judged = ~np.isnan(truth[:, column]) & ~np.isnan(odds[:, column])
        if judged.any():
            chance = 1 / (1 + np.exp(-odds[judged, column]))
            found = calibration.bins(chance, truth[judged, column] == 1, np.ones(len(chance)))
            curves.append(Curve(label, found))
    return reliability_plot(f"Model {model.version} on {len(rows):,} comments", curves)


def served_odds(model: Model, rows: Sequence[Row]) -> Odds:
    """Log-odds as the service scores, rows x labels; NaN where there is no opinion."""
    scored = model.score([row.text for row in rows], context=[row.context for row in rows])
    chance = np.array([[getattr(one, label) for label in LABELS] for one in scored], dtype=np.float64)
    chance = np.clip(chance.reshape(len(rows), len(LABELS)), 1e-9, 1 - 1e-9)
    return np.asarray(np.log(chance) - np.log1p(-chance))


def known(model: Model, data: Path) -> Iterator[Figures]:
    """Development rows of sources that training knew, beside TF-IDF with logistic regression. Raises DataError."""
    corpus = read(data)
    rows = corpus.split("dev")
    truth, odds = targets.matrix(rows), log_odds(model, [row.text for row in rows])
    usual = _usual(corpus.split("train"), rows)
    table = Figures(
        f"Development rows ({len(rows):,}) of known sources, AUC",
        ("label", "this model", "TF-IDF, logistic regression", "positive", "negative"),
        digits=4,
    )
    means: list[tuple[float, float]] = []
    for column, label in enumerate(LABELS):
        ours, theirs = rank(truth[:, column], odds[:, column]), rank(truth[:, column], usual[:, column])
        if ours and theirs:
            table.add(label, ours.auc, theirs.auc, ours.positives, ours.negatives)
            if label in TOXICITY_LABELS:
                means.append((ours.auc, theirs.auc))
    table.add(f"mean of {len(means)} kinds of toxicity", *np.mean(means, axis=0).tolist(), None, None)
    yield table


def _usual(rows: Sequence[Row], asked: Sequence[Row]) -> Odds:
    counted = baselines.Counted([row.text for row in [*rows, *asked]])
    points, asking = counted.vectors(np.arange(len(rows)), np.arange(len(rows), len(rows) + len(asked)))
    wanted, weights = targets.for_heads(rows, LABELS)
    return np.stack(
        [baselines.regress(points, wanted[:, at], weights[:, at], asking) for at in range(len(LABELS))], axis=1
    )


_RANKED = ("label", "source", "AUC", "AP", "found at 0.5", "wronged at 0.5", "positive", "negative")


def sources(model: Model, data: Path, group: Group = ENGLISH) -> Iterator[Figures]:
    """Development rows by label, source and length, and what thresholds find. Raises DataError."""
    rows = read(data / group.folder, group.language).split("dev")
    odds = model.log_odds_in(group.language, normalise_all([row.text for row in rows])) * UNIT
    truth = targets.matrix(rows)
    truth[:, [label not in model.measured(group.language) for label in LABELS]] = np.nan
    table = Figures(f"Development rows ({len(rows):,}) by source", _RANKED)
    _add_rankings(table, rows, truth, odds, sources=True)
    yield table
    table = Figures("Development rows by length in characters", ("label", "length", *_RANKED[2:]))
    lengths = np.array([len(row.text) for row in rows])
    for label in ("spam", "toxicity"):
        column = LABELS.index(label)
        for low, high in pairwise(_LENGTHS):
            here = (lengths >= low) & (lengths < high)
            name = f"{low} to {high - 1}" if high < _LENGTHS[-1] else f"{low} and more"
            _add_ranking(table, label, name, rank(truth[here, column], odds[here, column]))
    yield table
    made = np.array([row.family in UNCALIBRATED_FAMILIES for row in rows])
    truth[made] = np.nan
    if group == ENGLISH:
        trusted = np.array([row.family in targets.TRUSTED_FAMILIES for row in rows])
        truth[~trusted, _TOXICITY:] = np.nan
    yield thresholds(truth, odds, "What a threshold finds on development rows (toxicity: gathered as they came)")


def thresholds(truth: Truth, odds: Odds, title: str) -> Figures:
    """Recall and false positives of spam and toxicity above some probabilities."""
    table = Figures(title, ("label", "threshold", "recall", "false positives", "precision here"), digits=4)
    for column in (_TOXICITY, _SPAM):
        judged = ~np.isnan(truth[:, column]) & ~np.isnan(odds[:, column])
        positive, chance = truth[judged, column] == 1, 1 / (1 + np.exp(-odds[judged, column]))
        if positive.all() or not positive.any():
            continue
        for threshold in _THRESHOLDS:
            above = chance > threshold
            precision = float(positive[above].mean()) if above.any() else None
            table.add(
                LABELS[column], f"{threshold}", float(above[positive].mean()), float(above[~positive].mean()), precision
            )
    return table


def _add_rankings(table: Figures, rows: Sequence[Row], truth: Truth, odds: Odds, sources: bool) -> None:
    names = np.array([row.source for row in rows])
    truth = np.where(np.isnan(odds), np.nan, truth).astype(np.float32)
    for column, label in enumerate(LABELS):
        _add_ranking(table, label, "all", rank(truth[:, column], odds[:, column]))
        for source in sorted(set(names)) if sources else ():
            here = names == source
            _add_ranking(table, label, str(source), rank(truth[here, column], odds[here, column]))


def _add_ranking(table: Figures, label: str, name: str, one: Ranking | None) -> None:
    if one:
        table.add(label, name, one.auc, one.precision, one.found, one.wronged, one.positives, one.negatives)


def harmless(model: Model, data: Path) -> Iterator[Figures]:
    """Share of harmless texts scored above 0.5: comments of blogs, ham, and probes. Raises DataError."""
    corpus = read(data)
    table = Figures("Harmless texts above 0.5", ("texts", "toxicity", "spam", "number"), digits=4)
    for family in ("blog_comments", "stackoverflow_ham", "sms"):
        for split in ("train", "dev"):
            ham = [row.text for row in corpus.split(split) if row.family == family and row.labels[_SPAM] == 0]
            if ham:
                _add_share(table, f"{family}, {split} rows", log_odds(model, ham))
    for name, texts in (("short comments", probes.SHORT_COMMENTS), ("counter-speech", probes.COUNTER_SPEECH)):
        _add_share(table, f"{name} (probes)", log_odds(model, texts))
    yield table


def _add_share(table: Figures, name: str, odds: Odds) -> None:
    above = (odds > 0).mean(axis=0)
    table.add(name, float(above[_TOXICITY]), float(above[_SPAM]), len(odds))


def identity(model: Model, sealed: bool = False) -> Iterator[Figures]:
    """Neutral sentences that name a group of people: shares above 0.5 by term.

    sealed: also the half of the templates that nobody looks at while a model is made. For the last run alone.
    """
    table = Figures(
        "Neutral sentences with identity terms, above 0.5 for toxicity or identity attack",
        ("templates", "sentences", "mean", "worst term", "its share"),
    )
    terms = Figures("Identity terms", ("term", "share above 0.5", "mean probability of toxicity"))
    halves = [("looked at", probes.SENTENCES)] + ([("sealed", probes.SEALED_SENTENCES)] if sealed else [])
    every = []
    for name, sentences in halves:
        texts = [sentence.format(term) for sentence in sentences for term in probes.IDENTITIES]
        odds = log_odds(model, texts)
        above = ((odds[:, _TOXICITY] > 0) | (odds[:, LABELS.index("identity_attack")] > 0)).reshape(len(sentences), -1)
        every.append((above, odds[:, _TOXICITY].reshape(len(sentences), -1)))
        by_term = above.mean(axis=0)
        worst = int(by_term.argmax())
        table.add(name, len(texts), float(above.mean()), probes.IDENTITIES[worst], float(by_term[worst]))
    yield table
    above, odds = np.concatenate([one for one, _ in every]), np.concatenate([one for _, one in every])
    shares, chances = above.mean(axis=0), (1 / (1 + np.exp(-odds))).mean(axis=0)
    for at in np.argsort(-shares, kind="stable")[:12]:
        terms.add(probes.IDENTITIES[at], float(shares[at]), float(chances[at]))
    yield terms


def disguised(model: Model, data: Path) -> Iterator[Figures]:
    """Of toxic and of spam rows found in clear (above 0.5): the share still found with their telling words disguised.

    Raises DataError.
    """
    corpus = read(data)
    toxic, spam = (_kept(model, corpus, column) for column in (_TOXICITY, _SPAM))
    table = Figures("Recall kept in disguise", ("way", "used in training", "toxicity", "spam"))
    for way in (*TEN, *(way for way in WAYS if way not in TEN)):
        table.add(way, "held out" if way in HELD_OUT else "", toxic[way], spam[way])
    for name, ways in (("mean of the ten", TEN), ("mean of those held out", HELD_OUT)):
        table.add(name, "", *(float(np.mean([kept[way] for way in ways])) for kept in (toxic, spam)))
    table.note = f"The ten: {', '.join(TEN)}."
    yield table


def _kept(model: Model, corpus: Corpus, column: int) -> dict[str, float]:
    telling = telling_odds(corpus.split("train"), column)
    rows = [row for row in corpus.split("dev") if row.labels[column] == 1 and row.family not in UNCALIBRATED_FAMILIES]
    texts = [row.text for row in rows if worst_words(row.text, telling)]
    texts = [text for text, odds in zip(texts, log_odds(model, texts), strict=True) if odds[column] > 0]
    kept = {}
    for way in WAYS:
        random = Random(_SEED)
        written = [disguise(text, worst_words(text, telling), way, random) for text in texts]
        kept[way] = float((log_odds(model, written)[:, column] > 0).mean()) if texts else float("nan")
    return kept


def languages(model: Model, data: Path, only: Group | None = None) -> Iterator[Figures]:
    """Toxicity in other languages on development rows, as served, beside TF-IDF of letters. Raises DataError."""
    table = Figures(
        "Toxicity in other languages, development rows",
        ("language", "this model, AUC", "TF-IDF of letters, AUC", "difference", "rows", "without an opinion"),
        digits=4,
    )
    for group in GROUPS:
        if group == ENGLISH or not model.supports(group.language) or only not in (None, group):
            continue
        corpus = read(data / group.folder, group.language)
        train, dev = ([row for row in corpus.split(name) if row.labels[_TOXICITY] is not None] for name in _SPLITS)
        truth = targets.matrix(dev)[:, _TOXICITY]
        ours = rank(
            truth, model.log_odds_in(group.language, normalise_all([row.text for row in dev]))[:, _TOXICITY] * UNIT
        )
        odds = baselines.letters(
            [row.text for row in train], targets.matrix(train)[:, _TOXICITY], [row.text for row in dev]
        )
        theirs = rank(truth, odds)
        silent = np.isnan(served_odds(model, dev)[:, _TOXICITY]).mean()
        if ours and theirs:
            table.add(group.name, ours.auc, theirs.auc, ours.auc - theirs.auc, len(dev), float(silent))
    yield table


_SPLITS = ("train", "dev")
