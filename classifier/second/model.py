"""The second tier at work: texts that the first tier is unsure of, read once more, both scores blended.

The log-odds of a label are those of `artifact.Blend`: a line through those of the first tier, which are calibrated
and know what stands beside the text, and the raw ones of the transformer. Texts of one length are read together and
nothing is padded, every product is one of integers with fixed scales (see `graph`): a text has the same score
whatever it comes with, but for the last bits of what is not a product.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import exp, log
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from classifier.artifact import ModelError
from classifier.normalise import Normalised, normalise_all
from classifier.scores import LABELS, Scores
from classifier.second import artifact
from classifier.second.artifact import Artifact, Blend
from classifier.second.pieces import Pieces
from classifier.second.wording import wording

TOKENS = 1024
"""Word pieces read at once, about: enough to be fast, few enough to look at the clock in between."""

_LEAST = 1e-6


class SecondTier:
    """A loaded second tier; threads may share it. Made by `load`."""

    def __init__(self, loaded: Artifact) -> None:
        self.header, self.sha256, self.path = loaded.header, loaded.sha256, loaded.path
        self.version = f"{loaded.header.release}-{loaded.sha256[:8]}"
        try:
            self._pieces = Pieces(loaded.words)
            self._session = _session(loaded.graph)
            given, found = self._session.get_inputs(), self._session.get_outputs()
        except Exception as error:  # whatever onnxruntime raises: its errors have no common name
            raise ModelError(f"The second tier {loaded.path} cannot be used: its graph is not one for this.") from error
        if [one.name for one in given] != ["ids"] or [one.name for one in found] != ["odds"]:
            raise ModelError(f"The second tier {loaded.path} cannot be used: its graph asks for other things.")

    def reads(self, scores: Scores) -> bool:
        """Whether it may be asked about a text with such scores of the first tier."""
        return scores.language in self.header.languages and scores.toxicity is not None

    def raw_odds(self, texts: Sequence[Normalised], until: float | None = None) -> NDArray[np.float64]:
        """Raw log-odds, texts x labels; NaN for texts not reached when the clock (`monotonic`) passed `until`."""
        ids = [self._pieces.encode(wording(text), self.header.longest) for text in texts]
        found = np.full((len(texts), len(LABELS)), np.nan)
        for rows in _together(ids):
            if until is not None and monotonic() > until:
                break
            batch = np.array([ids[row] for row in rows], dtype=np.int64)
            found[rows] = self._session.run(["odds"], {"ids": batch})[0]
        return found

    def score(
        self, first: Sequence[Scores], texts: Sequence[Normalised], until: float | None = None
    ) -> list[Scores | None]:
        """Scores of both tiers together, given those of the first; None where it was too late or gave no number.

        Labels without an opinion keep none.
        """
        raw = self.raw_odds(texts, until)
        return [
            _blended(scores, row, self.header.blend) if np.isfinite(row).all() else None
            for scores, row in zip(first, raw, strict=True)
        ]

    def alone(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """What the transformer says without the first tier, by label: probabilities, not calibrated."""
        raw = self.raw_odds(normalise_all(texts))
        return [{label: _chance(one) for label, one in zip(LABELS, row, strict=True)} for row in raw.tolist()]


def load(path: Path) -> SecondTier:
    """Load a second tier; its SHA-256 must be the one in `FILE.sha256` beside it. Raises ModelError."""
    return SecondTier(artifact.read(path))


def _session(graph: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # The graph is made of what is fast; further levels put a sum and its normalising together, which is slower.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _together(ids: Sequence[Sequence[int]]) -> list[list[int]]:
    """Rows by number, those of one length together, about `TOKENS` at once; short ones first."""
    of_length: dict[int, list[int]] = {}
    for row, one in enumerate(ids):
        of_length.setdefault(len(one), []).append(row)
    batches = []
    for length, rows in sorted(of_length.items()):
        most = max(1, TOKENS // length)
        batches += [rows[at : at + most] for at in range(0, len(rows), most)]
    return batches


def _blended(first: Scores, raw: NDArray[np.float64], blend: Mapping[str, Blend]) -> Scores:
    changed: dict[str, Any] = {
        label: _together_chance(one, getattr(first, label), float(raw[LABELS.index(label)]))
        for label, one in blend.items()
        if getattr(first, label) is not None
    }
    return replace(first, **changed)


def _together_chance(one: Blend, first: float, raw: float) -> float:
    sure = min(1 - _LEAST, max(_LEAST, first))
    return _chance(one.bias + one.first * (log(sure) - log(1 - sure)) + one.second * raw)


def _chance(odds: float) -> float:
    return round(1 / (1 + exp(-min(30.0, max(-30.0, odds)))), 6)
