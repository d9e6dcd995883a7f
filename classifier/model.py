"""The trained model: from texts to calibrated scores.

For a text with the distinct features F the log-odds of a label are

    bias + gain * sum(weight[f] for f in F) / sqrt(sum(idf2[f] for f in F))

a logistic regression over tf-idf vectors of length one, its inverse document frequencies folded into
the weights and Platt's calibration (Platt 1999) folded into gain and bias. Weights and idf2 are small
integers, sums are sums of integers, and the log-odds are an integer number of units of 2**-32: a text has
the same score in every batch, process and thread, and the parts of an explanation add up exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from classifier import artifact, features, language
from classifier.explain import Explanation, Line, explain
from classifier.normalise import Normalised, normalise
from classifier.scores import LABELS, Scores, probability

DEFAULT = Path(__file__).parent / "model" / "english.model"


@dataclass(frozen=True, slots=True)
class Sums:
    """What the table gives for a batch of n texts.

    `weights`: int64, n x labels, sums of weights. `steps`: int64, n x labels, units of log-odds per weight.
    """

    weights: NDArray[np.int64]
    steps: NDArray[np.int64]


class Model:
    """A loaded model. Immutable, so threads may share it. Made by `load`."""

    def __init__(self, loaded: artifact.Artifact) -> None:
        self._table = loaded.table
        self._gain = np.array(loaded.header.gain, dtype=np.float64)
        self._bias = np.array(loaded.header.bias, dtype=np.int64)
        self.languages = loaded.header.languages
        self.training = loaded.header.training
        self.sha256 = loaded.sha256
        self.version = f"{loaded.header.release}-{loaded.sha256[:8]}"

    def supports(self, language: str) -> bool:
        """True if the model was measured on `language` (ISO 639 code)."""
        return language in self.languages

    def score(self, texts: Sequence[str], read: Sequence[Normalised] | None = None) -> list[Scores]:
        """One `Scores` per text, in order. Never raises for any `str`.

        read: the texts as `normalise` gives them, where that was done already.
        """
        normalised = [normalise(text) for text in texts] if read is None else read
        guesses = [language.identify(*pair) for pair in zip(texts, normalised, strict=True)]
        log_odds = self.log_odds(normalised)
        return [
            _scores(row if self._has_opinion(guess) else None, guess)
            for row, guess in zip(log_odds.tolist(), guesses, strict=True)
        ]

    def explain(self, text: str, label: str, top: int = 8) -> Explanation:
        """Why `text` has its score for `label`: at most `top` words, the strongest first.

        Raises ValueError for a label that is not one of `LABELS` or a negative `top`.
        """
        if label not in LABELS or top < 0:
            raise ValueError(f"unknown label {label!r} or negative top {top}")
        normalised = normalise(text)
        column = LABELS.index(label)
        step = int(self._sums(features.extract([normalised])).steps[0, column])
        opinion = self._has_opinion(language.identify(text, normalised))
        line = Line(label, self._table[:, column], step, int(self._bias[column]))
        return explain(text, line, opinion, top)

    def log_odds(self, texts: Sequence[Normalised]) -> NDArray[np.int64]:
        """Calibrated log-odds, int64 in units of 2**-32, shape (texts, labels); whatever the language."""
        if not texts:
            return np.zeros((0, len(LABELS)), dtype=np.int64)
        parts = [self._sums(features.extract(chunk)) for chunk in features.chunks(texts)]
        return np.concatenate([self._bias + part.weights * part.steps for part in parts])

    def _sums(self, batch: features.Batch) -> Sums:
        rows = self._table.take(batch.slots, axis=0)
        begins = batch.bounds[:-1]
        filled = begins < batch.bounds[1:]
        sums = np.zeros((len(begins), self._table.shape[1]), dtype=np.int64)
        if filled.any():
            sums[filled] = np.add.reduceat(rows, begins[filled], axis=0, dtype=np.int64)
        norm = np.sqrt(np.maximum(sums[:, -1:], 1))
        return Sums(sums[:, :-1], np.rint(self._gain / norm).astype(np.int64))

    def _has_opinion(self, guess: language.Guess) -> bool:
        return self.supports(guess.language) or (guess.language == language.UNKNOWN and guess.latin)


def _scores(units: list[int] | None, guess: language.Guess) -> Scores:
    if units is None:
        return Scores(None, None, None, None, None, None, None, guess.language, guess.confidence)
    spam, toxicity, severe_toxicity, obscene, threat, insult, identity_attack = map(probability, units)
    return Scores(
        spam=spam,
        toxicity=toxicity,
        severe_toxicity=severe_toxicity,
        obscene=obscene,
        threat=threat,
        insult=insult,
        identity_attack=identity_attack,
        language=guess.language,
        confidence=guess.confidence,
    )


def load(path: str | Path | None = None) -> Model:
    """Load a model; without `path` the one that comes with this package.

    The file's SHA-256 must be the one in `PATH.sha256` beside it. Raises ModelError.
    """
    return Model(artifact.read(DEFAULT if path is None else Path(path)))
