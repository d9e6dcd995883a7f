"""What the classifier says about one text."""

from dataclasses import dataclass
from math import exp

LABELS = ("spam", "toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack")
"""The labels in the order of the model's columns."""

TOXICITY_LABELS = LABELS[1:]

UNIT = 2.0**-32
"""Log-odds per unit: a model's log-odds are whole numbers of units."""

_LIMIT = 30.0


def probability(units: int) -> float:
    """The probability, six decimals, for log-odds in units."""
    return round(1.0 / (1.0 + exp(-min(_LIMIT, max(-_LIMIT, units * UNIT)))), 6)


@dataclass(frozen=True, slots=True)
class Scores:
    """Calibrated probabilities (0 to 1, six decimals) of one text, or None for "no opinion".

    A label is None when the model was not measured for the text's language. `language` is an ISO 639
    code or "unknown"; `confidence` (0 to 1) says how sure that is.
    """

    spam: float | None
    toxicity: float | None
    severe_toxicity: float | None
    obscene: float | None
    threat: float | None
    insult: float | None
    identity_attack: float | None
    language: str
    confidence: float
