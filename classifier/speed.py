"""How fast a model scores, beside the usual ways to do it with scikit-learn, in one run on one core."""

from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from sklearn.pipeline import FeatureUnion
from threadpoolctl import threadpool_limits

from classifier import baselines
from classifier.data import read
from classifier.model import Model
from classifier.report import Figures
from classifier.scores import LABELS

BATCH = 256
LENGTH = 200
_TEXTS = 20 * BATCH
_SINGLE = 1_000
_REPEATS = 5
_TAUGHT = 30_000

Score = Callable[[Sequence[str]], object]


def measure(model: Model, data: Path) -> Figures:
    """Texts per second of processor time in batches of 256 texts of about 200 characters; single texts by the clock.

    Contestants take turns, and of five turns the best counts: the others measure what else the machine did.
    Raises DataError.
    """
    every = [row.text for row in read(data).rows]
    texts, taught = _texts(every), every[:: max(1, len(every) // _TAUGHT)]
    mean = sum(map(len, texts)) / len(texts)
    contestants = {
        "this model": model.score,
        "HashingVectorizer + SGD": _usual(taught, baselines.hashing(), baselines.sgd),
        "TF-IDF + logistic regression": _usual(taught, baselines.tfidf(), baselines.logistic),
    }
    rates = dict.fromkeys(contestants, 0.0)
    singles = dict.fromkeys(contestants, (float("inf"), float("inf")))
    with threadpool_limits(limits=1):
        for _ in range(_REPEATS):
            for name, score in contestants.items():
                rates[name] = max(rates[name], _per_second(score, texts))
                singles[name] = min(singles[name], _milliseconds(score, texts))
    table = Figures(
        f"Speed, all labels and language, one core, {len(texts):,} texts of {mean:.0f} characters, batches of {BATCH}",
        ("what", "texts/s", "this model is faster by", "single, p50 ms", "p99 ms"),
    )
    for name, rate in rates.items():
        table.add(name, round(rate), round(rates["this model"] / rate, 1), *singles[name])
    return table


def _texts(texts: Sequence[str]) -> list[str]:
    fitting = [text for text in texts if 0.75 * LENGTH <= len(text) <= 1.25 * LENGTH] or texts
    chosen = np.random.default_rng(0).choice(len(fitting), size=_TEXTS, replace=len(fitting) < _TEXTS)
    return [fitting[at] for at in chosen]


def _usual(texts: Sequence[str], vectorizer: FeatureUnion, make: Callable[[], baselines.Head]) -> Score:
    """A head per label, and a vocabulary of many texts. What the heads learn does not matter for their speed."""
    points = vectorizer.fit_transform(texts)
    halves = np.arange(points.shape[0]) % 2
    heads = [make().fit(points, halves) for _ in LABELS]

    def score(batch: Sequence[str]) -> object:
        vectors = vectorizer.transform(batch)
        return [head.predict_proba(vectors) for head in heads]

    return score


def _per_second(score: Score, texts: Sequence[str]) -> float:
    start = process_time()
    for at in range(0, len(texts), BATCH):
        score(texts[at : at + BATCH])
    return len(texts) / (process_time() - start)


def _milliseconds(score: Score, texts: Sequence[str]) -> tuple[float, float]:
    """50th and 99th percentile of single texts."""
    times = []
    for text in texts[:_SINGLE]:
        start = perf_counter()
        score([text])
        times.append(1e3 * (perf_counter() - start))
    middle, slow = np.percentile(times, [50, 99]).tolist()
    return middle, slow
