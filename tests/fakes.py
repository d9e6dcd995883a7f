"""Small real stand-ins that keep the contract of what they stand for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

LABELS = ("spam", "toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack")


@dataclass(frozen=True)
class WordScores:
    """Scores of a WordModel, with the attributes of the classifier's."""

    spam: float | None = 0.01
    toxicity: float | None = 0.01
    severe_toxicity: float | None = 0.01
    obscene: float | None = 0.01
    threat: float | None = 0.01
    insult: float | None = 0.01
    identity_attack: float | None = 0.01
    language: str = "en"
    confidence: float = 1.0


class WordModel:
    """A model that does what the text says: "score:spam=0.8" sets a score, "language:ko" takes all opinions away."""

    version = "words-1"
    sha256 = "0" * 64

    def __init__(self) -> None:
        self.batches: list[int] = []

    def score(
        self, texts: Sequence[str], read: Sequence[Any] | None = None, context: Sequence[Any] | None = None
    ) -> list[WordScores]:
        """One WordScores per text."""
        self.batches.append(len(texts))
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> WordScores:
        given: dict[str, Any] = {}
        for word in text.split():
            if word.startswith("score:"):
                label, _, score = word.removeprefix("score:").partition("=")
                given[label] = float(score)
            if word.startswith("language:"):
                given = dict.fromkeys(LABELS) | {"language": word.removeprefix("language:")}
        return WordScores(**given)
