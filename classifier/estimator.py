"""The estimator: what is trained is what is served.

`CommentClassifier` follows scikit-learn's conventions: the constructor only stores its arguments, `fit` and
`calibrate` learn attributes that end in `_`, `predict_proba` and `decision_function` answer. They answer through
`table_`, the quantised integers that the file holds, so that every figure is one of the served model.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from classifier import artifact, heads
from classifier.features import SLOTS
from classifier.model import Table
from classifier.normalise import normalise_all
from classifier.scores import LABELS, UNIT, probability

Matrix = NDArray[np.float32]


class CommentClassifier(BaseEstimator):  # type: ignore[misc]
    """One logistic head per label over hashed n-grams, each calibrated by Platt's method.

    strength: inverse of the L2 penalty (scikit-learn's C). least_texts: a feature of fewer texts has no weight.
    """

    def __init__(self, strength: float = heads.STRENGTH, least_texts: int = heads.LEAST_TEXTS) -> None:
        self.strength = strength
        self.least_texts = least_texts

    def fit(
        self, X: Sequence[str], y: Matrix, sample_weight: Matrix | None = None, *, counted: int | None = None
    ) -> Self:
        """Learn from texts (n) and targets (n x labels: 1, 0, what is between, NaN for "not known").

        sample_weight: n x labels, or None for ones. counted: only so many texts, the first, say how rare a feature is
        (default: all). A head without both kinds of targets gives even odds.
        """
        weights = np.ones_like(y) if sample_weight is None else sample_weight
        seen = heads.counts(X)
        self.classes_ = list(LABELS)
        self.idf2_ = heads.squared_idf(seen[:counted], self.least_texts)
        points = heads.vectors(seen, self.idf2_)
        self.heads_ = [
            heads.fit(points, y[:, column], weights[:, column], self.strength) for column in range(len(LABELS))
        ]
        self.platts_ = [heads.Platt(1.0, 0.0)] * len(LABELS)
        return self._quantise()

    def calibrate(
        self, X: Sequence[str], y: Matrix, sample_weight: Matrix | None = None, *, base_rates: Sequence[float]
    ) -> Self:
        """Fit each head's calibration on texts it did not learn from, as `fit` takes them.

        base_rates: by label the share of positives that probabilities shall hold for.
        """
        check_is_fitted(self, "heads_")
        weights = np.ones_like(y) if sample_weight is None else sample_weight
        points = heads.vectors(heads.counts(X), self.idf2_)
        self.platts_ = [
            heads.calibrate(heads.decide(points, head), y[:, column], weights[:, column], base_rates[column])
            for column, head in enumerate(self.heads_)
        ]
        return self._quantise()

    def decision_function(self, X: Sequence[str]) -> NDArray[np.float64]:
        """Calibrated log-odds, n x labels."""
        check_is_fitted(self, "table_")
        return np.asarray(self.table_.log_odds(normalise_all(X)) * UNIT)

    def predict_proba(self, X: Sequence[str]) -> NDArray[np.float64]:
        """Probabilities of each label, n x labels, rounded to six decimals as they are served."""
        check_is_fitted(self, "table_")
        odds = self.table_.log_odds(normalise_all(X))
        return np.array([[probability(one) for one in row] for row in odds.tolist()]).reshape(-1, len(LABELS))

    def predict(self, X: Sequence[str]) -> NDArray[np.int8]:
        """1 where a label is likelier than not, else 0, n x labels."""
        return (self.decision_function(X) > 0).astype(np.int8)

    def _quantise(self) -> Self:
        """Fold idf and calibration into int8 weights and integer gains and biases."""
        self.weights_ = np.zeros((SLOTS, artifact.COLUMNS), dtype=np.int8)
        self.weights_[:, -1] = self.idf2_
        idf = np.sqrt(self.idf2_.astype(np.float64))
        self.gain_, self.bias_ = [], []
        for column, (head, platt) in enumerate(zip(self.heads_, self.platts_, strict=True)):
            weights = head.coefficients * idf
            step = max(float(np.abs(weights).max()) / heads.LARGEST, 1e-9)
            self.weights_[:, column] = np.clip(np.rint(weights / step), -heads.LARGEST, heads.LARGEST)
            self.gain_.append(round(platt.slope * step / UNIT))
            self.bias_.append(round((platt.slope * head.intercept + platt.offset) / UNIT))
        self.table_ = Table(self.weights_, self.gain_, self.bias_)
        return self

    def header(self, **fields: Any) -> artifact.Header:
        """The header of a file with this model; fields: the rest of `artifact.Header`."""
        return artifact.Header(gain=tuple(self.gain_), bias=tuple(self.bias_), **fields)
