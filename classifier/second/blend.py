"""How much each tier counts, and what their sum is worth as a probability.

Both scores are brought to the same spread and added by fixed shares, which were chosen on sources that neither tier had
seen (rows of known sources would favour the tier that remembers more). Then Platt's line is fitted for each label, on
rows that neither tier learned from, as for the first tier alone.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from classifier import heads, targets
from classifier.data import Row
from classifier.scores import LABELS
from classifier.second.artifact import Blend

FIRST = {label: 0.65 if label == "identity_attack" else 0.35 for label in LABELS}
"""The first tier's share of the sum, by label; the second's is the rest."""

Odds = NDArray[np.float64]


def mixed(first: Odds, second: Odds, spreads: Sequence[float], share: float) -> Odds:
    """The sum of both log-odds of one label, each divided by its spread; share: the first tier's."""
    return np.asarray(share * first / spreads[0] + (1 - share) * second / spreads[1])


def fit(first: Odds, second: Odds, rows: Sequence[Row], shares: Mapping[str, float] = FIRST) -> dict[str, Blend]:
    """The blend of each label. first, second: log-odds of both tiers (rows x labels) on rows neither learned from."""
    target, weight = targets.for_calibration(rows, LABELS)
    blend = {}
    for column, label in enumerate(LABELS):
        share = shares[label]
        spreads = [float(odds[:, column].std()) or 1.0 for odds in (first, second)]
        sums = mixed(first[:, column], second[:, column], spreads, share)
        line = heads.calibrate(sums, target[:, column], weight[:, column], heads.BASE_RATES[label])
        blend[label] = Blend(
            round(line.offset, 6),
            round(line.slope * share / spreads[0], 6),
            round(line.slope * (1 - share) / spreads[1], 6),
        )
    return blend


def together(first: Odds, second: Odds, blend: Mapping[str, Blend]) -> Odds:
    """Log-odds of both tiers (rows x labels) as they are served; a label without a blend keeps the first tier's."""
    odds = first.copy()
    for label, one in blend.items():
        column = LABELS.index(label)
        odds[:, column] = one.bias + one.first * first[:, column] + one.second * second[:, column]
    return odds
