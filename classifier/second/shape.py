"""The sizes of the transformer, and the names of its weights."""

from dataclasses import asdict, dataclass
from typing import Any

NORM_EPSILON = 1e-12


@dataclass(frozen=True, slots=True)
class Shape:
    """Word pieces, positions, width, layers, heads of attention, width inside the feed-forward net."""

    pieces: int = 30522
    positions: int = 128
    width: int = 384
    layers: int = 6
    heads: int = 12
    inner: int = 1536

    def as_record(self) -> dict[str, Any]:
        return asdict(self)
