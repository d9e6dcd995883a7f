"""The usual ways to do the same with scikit-learn, to be measured beside.

Settings are those commonly given: sublinear term frequency, words and pairs of words, n-grams within words, L2
logistic regression. Baselines learn from the same rows with the same weights and missing labels, but for the rows
that training makes itself (`augment`), which belong to the model they are compared with.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import FeatureUnion
from threadpoolctl import threadpool_limits

Settings = dict[str, Any]

WORDS: Settings = {"ngram_range": (1, 2), "min_df": 4, "max_features": 200_000}
LETTERS: Settings = {"analyzer": "char_wb", "ngram_range": (2, 5), "min_df": 4, "max_features": 200_000}
LETTERS_ALONE: Settings = {"analyzer": "char", "ngram_range": (1, 5), "min_df": 3}
"""For other languages: scripts without blanks between words have no words to count."""

STRENGTH = 4.0
_ROUNDS = 300

Vector = NDArray[np.float64]
Head = SGDClassifier | LogisticRegression


class Counted:
    """The counts of words and of letters of some texts, made once; each fold weighs them by its own rows."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._blocks = [
            CountVectorizer(dtype=np.float32, **{**settings, "max_features": None}).fit_transform(texts)
            for settings in (WORDS, LETTERS)
        ]

    def vectors(self, known: NDArray[np.int64], asked: NDArray[np.int64]) -> tuple[sparse.csr_matrix, ...]:
        """TF-IDF vectors of the rows `known` and `asked`; vocabulary and frequencies are those of `known`."""
        made: list[list[sparse.csr_matrix]] = [[], []]
        for block, settings in zip(self._blocks, (WORDS, LETTERS), strict=True):
            columns = _vocabulary(block[known], int(settings["min_df"]), int(settings["max_features"]))
            weigh = TfidfTransformer(sublinear_tf=True).fit(block[known][:, columns])
            for at, rows in enumerate((known, asked)):
                made[at].append(weigh.transform(block[rows][:, columns]))
        return tuple(sparse.hstack(blocks, format="csr") for blocks in made)


def _vocabulary(counts: sparse.csr_matrix, least: int, most: int) -> NDArray[np.int64]:
    """Columns that at least `least` rows have, at most `most`, those said most often, as a vectoriser chooses."""
    often = np.flatnonzero(np.bincount(counts.indices, minlength=counts.shape[1]) >= least)
    said = np.asarray(counts.sum(axis=0)).ravel()[often]
    return np.sort(often[np.argsort(-said, kind="stable")[:most]])


def regress(
    points: sparse.csr_matrix, target: NDArray[np.float32], weight: NDArray[np.float32], asked: sparse.csr_matrix
) -> Vector:
    """Log-odds of `asked` by logistic regression on the rows of `points` whose target is not NaN."""
    known = ~np.isnan(target)
    regression = LogisticRegression(C=STRENGTH, tol=1e-4, max_iter=_ROUNDS)
    with threadpool_limits(limits=1):
        regression.fit(points[known], target[known].astype(np.int8), sample_weight=weight[known])
    return np.asarray(regression.decision_function(asked))


def letters(texts: Sequence[str], target: NDArray[np.float32], asked: Sequence[str]) -> Vector:
    """Log-odds of the texts `asked` by TF-IDF of letter n-grams and logistic regression."""
    vectorizer = TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **LETTERS_ALONE)
    points = vectorizer.fit_transform(texts)
    return regress(points, target, np.ones(len(target), np.float32), vectorizer.transform(asked))


def hashing() -> FeatureUnion:
    """Hashed words, pairs of words and letter n-grams: what SGD heads score fastest."""
    return FeatureUnion(
        [
            ("words", HashingVectorizer(ngram_range=(1, 2), n_features=1 << 18)),
            ("letters", HashingVectorizer(analyzer="char_wb", ngram_range=(2, 5), n_features=1 << 18)),
        ]
    )


def tfidf() -> FeatureUnion:
    """TF-IDF of words, pairs of words and letter n-grams."""
    return FeatureUnion(
        [
            ("words", TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **WORDS)),
            ("letters", TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **LETTERS)),
        ]
    )


def sgd() -> SGDClassifier:
    """A logistic head fitted by stochastic gradient descent."""
    return SGDClassifier(loss="log_loss", random_state=0, max_iter=5, tol=None)


def logistic() -> LogisticRegression:
    """A logistic head, for measuring speed: it stops early."""
    return LogisticRegression(C=STRENGTH, tol=1e-2, max_iter=10)
