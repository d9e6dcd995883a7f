"""Both tiers as one model, to be judged by the measures of the first."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from classifier.context import Context
from classifier.explain import Explanation
from classifier.model import Model
from classifier.normalise import Normalised, normalise_all
from classifier.scores import UNIT, Scores
from classifier.second import blend
from classifier.second.model import SecondTier


class Both(Model):
    """A first tier whose every text is read by the second too, whatever the band. Made from two loaded models."""

    def __init__(self, first: Model, second: SecondTier) -> None:
        self._first, self._second = first, second
        self.version = f"{first.version}+{second.version}"
        self.sha256 = second.sha256
        self.languages = first.languages

    def explain(self, text: str, label: str, top: int = 8, context: Context | None = None) -> Explanation:
        """Which words spoke in the first tier; the second has none to name."""
        return self._first.explain(text, label, top, context)

    def supports(self, language: str) -> bool:
        return self._first.supports(language)

    def measured(self, language: str) -> tuple[str, ...]:
        return self._first.measured(language)

    def score(
        self,
        texts: Sequence[str],
        read: Sequence[Normalised] | None = None,
        context: Sequence[Context | None] | None = None,
    ) -> list[Scores]:
        normalised = normalise_all(texts) if read is None else read
        found = self._first.score(texts, normalised, context)
        asked = [at for at, scores in enumerate(found) if self._second.reads(scores)]
        answers = self._second.score([found[at] for at in asked], [normalised[at] for at in asked])
        for at, answer in zip(asked, answers, strict=True):
            found[at] = answer or found[at]
        return found

    def log_odds(self, texts: Sequence[Normalised]) -> NDArray[np.int64]:
        first = np.asarray(self._first.log_odds(texts) * UNIT)
        odds = blend.together(first, self._second.raw_odds(texts), self._second.header.blend)
        return np.rint(odds / UNIT).astype(np.int64)

    def log_odds_in(self, language: str, texts: Sequence[Normalised]) -> NDArray[np.int64]:
        return self.log_odds(texts) if language == "en" else self._first.log_odds_in(language, texts)
