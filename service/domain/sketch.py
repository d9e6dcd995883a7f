"""Near repeats: a small sketch of a text, such that similar texts have similar sketches.

MinHash over pairs of neighbouring words (Broder, "On the resemblance and containment of documents", 1997), by the rensa
library. Texts that share most of their pairs share at least one band of the sketch with a probability that rises
steeply (Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", 3.4): a band is looked up in an index, the whole
sketches then tell how similar two texts are.
"""

import hashlib
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash

from service.domain.matching import tokens

HASHES = 64  # of a sketch: its estimate of the similarity is off by 0.05 (one standard deviation) at 0.8
BANDS, ROWS = 6, 5  # found at similarity 0.9: 0.995; 0.8: 0.91; 0.5: 0.17
LEAST_WORDS = 8  # a shorter text has too few pairs to be compared, and people do thank in the same words
_SEED = 1


def sketch(normal: str) -> bytes | None:
    """The sketch of a normalised text, 2 bytes a hash; None for one too short to compare."""
    found = tokens(normal)  # as ever: sketches of years must stay comparable
    if len(found) < LEAST_WORDS:
        return None
    made = RMinHash(num_perm=HASHES, seed=_SEED)
    made.update([f"{one} {two}" for one, two in pairwise(found)])
    return np.asarray(made.digest(), np.uint32).astype(">u2").tobytes()


def bands(site: bytes, made: bytes) -> list[int]:
    """What a sketch is found by: a signed 64-bit number for each band, different for each site."""
    size = 2 * ROWS
    return [
        int.from_bytes(
            hashlib.blake2b(made[at * size : (at + 1) * size], digest_size=8, key=site, salt=bytes([at])).digest(),
            "big", signed=True,
        )
        for at in range(BANDS)
    ]  # fmt: skip


def likeness(made: bytes, nth: NDArray[np.integer[Any]], others: bytes) -> NDArray[np.float64]:
    """The estimated similarities (Jaccard, 0..1) of other sketches, each to the `nth` (from 0) of those `made`.

    Both are sketches one behind the other.
    """
    ours, theirs = (np.frombuffer(each, ">u2").reshape(-1, HASHES) for each in (made, others))
    return np.asarray(np.count_nonzero(ours[nth] == theirs, axis=1) / HASHES, np.float64)
