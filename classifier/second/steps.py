"""Numbers in whole steps: what is learned in seven bits, what flows in eight.

The range of what flows is cut where the error of rounding and of cutting together is least.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LARGEST = 63
"""Of a quantised weight, either way."""

_CUTS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2)

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scale:
    """What flows into a product, in 256 steps: value = `step` * (number - `zero`)."""

    step: float
    zero: int


def quantised(weight: Array, largest: int = LARGEST) -> tuple[NDArray[np.int8], Array]:
    """A matrix (outputs x inputs) in whole numbers up to `largest`, and the step of each output."""
    step = np.maximum(np.abs(weight).max(axis=1), 1e-8) / largest
    return np.clip(np.rint(weight / step[:, None]), -largest, largest).astype(np.int8), step.astype(np.float32)


def scale(values: NDArray[np.float32]) -> Scale:
    """The scale under which `values` lose least (mean of squares)."""
    low, high = float(min(values.min(), 0)), float(max(values.max(), 1e-6))
    tries = [_between(low * under, high * over) for over in _CUTS for under in (_CUTS if low < -0.2 * high else (1.0,))]
    return min(tries, key=lambda one: _loss(values, one))


def _between(low: float, high: float) -> Scale:
    step = (high - low) / 255
    return Scale(step, int(np.clip(round(-low / step), 0, 255)))


def _loss(values: NDArray[np.float32], one: Scale) -> float:
    numbers = np.clip(np.rint(values / one.step) + one.zero, 0, 255)
    return float(np.mean((values - (numbers - one.zero) * one.step) ** 2))
