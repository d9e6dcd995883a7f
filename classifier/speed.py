"""How fast a model scores, beside the usual way to do it with scikit-learn, in one run on one core."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier
from threadpoolctl import threadpool_limits

from classifier.data import read
from classifier.model import Model
from classifier.scores import LABELS

BATCH = 256
LENGTH = 200
_TEXTS = 20 * BATCH
_SINGLE = 1_000
_REPEATS = 5


def measure(model: Model, data: Path, say: Callable[[str], None]) -> None:
    """Print texts per second in batches of 256 texts of about 200 characters, and the median of single texts.

    The best of five runs counts: the others measure what else the machine did. Raises DataError.
    """
    texts = _texts([row.text for row in read(data).rows])
    mean = sum(map(len, texts)) / len(texts)
    say(f"{len(texts)} texts of {mean:.0f} characters on average, batches of {BATCH}, one core")
    contestants = {
        "this model": model.score,
        "HashingVectorizer+SGD, words": _baseline(texts, analyzer="word", ngram_range=(1, 2)),
        "HashingVectorizer+SGD, characters": _baseline(texts, analyzer="char_wb", ngram_range=(2, 5)),
    }
    with threadpool_limits(limits=1):
        for name, score in contestants.items():
            rate, single = _per_second(score, texts), _median_milliseconds(score, texts)
            say(f"{name:34} {rate:8.0f} texts/s   single text, median {single:.3f} ms")


def _texts(texts: Sequence[str]) -> list[str]:
    fitting = [text for text in texts if 0.75 * LENGTH <= len(text) <= 1.25 * LENGTH] or texts
    chosen = np.random.default_rng(0).choice(len(fitting), size=_TEXTS, replace=len(fitting) < _TEXTS)
    return [fitting[at] for at in chosen]


def _baseline(texts: Sequence[str], analyzer: str, ngram_range: tuple[int, int]) -> Callable[[Sequence[str]], object]:
    """Hashed n-grams and a linear head per label. What it learns does not matter for its speed."""
    vectorizer = HashingVectorizer(analyzer=analyzer, ngram_range=ngram_range, n_features=1 << 18)
    points = vectorizer.transform(texts)
    halves = np.arange(len(texts)) % 2
    heads = [SGDClassifier(loss="log_loss", random_state=0, max_iter=5, tol=None).fit(points, halves) for _ in LABELS]

    def score(batch: Sequence[str]) -> object:
        vectors = vectorizer.transform(batch)
        return [head.predict_proba(vectors) for head in heads]

    return score


def _per_second(score: Callable[[Sequence[str]], object], texts: Sequence[str]) -> float:
    best = 0.0
    for _ in range(_REPEATS):
        start = perf_counter()
        for at in range(0, len(texts), BATCH):
            score(texts[at : at + BATCH])
        best = max(best, len(texts) / (perf_counter() - start))
    return best


def _median_milliseconds(score: Callable[[Sequence[str]], object], texts: Sequence[str]) -> float:
    times = []
    for text in texts[:_SINGLE]:
        start = perf_counter()
        score([text])
        times.append(perf_counter() - start)
    return median(times) * 1e3
