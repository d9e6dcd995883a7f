"""From a fine-tuned network to the file that is served: scales, graph, blend, header."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnxruntime
import torch

from classifier import model as first_tier
from classifier.artifact import ModelError
from classifier.data import Corpus, Row
from classifier.normalise import normalise_all
from classifier.scores import UNIT
from classifier.second import artifact, blend, graph, quantise
from classifier.second.artifact import Header
from classifier.second.batches import tokenised
from classifier.second.finding import LANGUAGES
from classifier.second.model import load
from classifier.second.network import Network
from classifier.second.pieces import Pieces
from classifier.train import UNCALIBRATED_FAMILIES

RELEASE = "2026.12"
WATCHED = 800
_SEED = 2


def build(
    network: Network, pieces: Pieces, longest: int, corpus: Corpus, first: first_tier.Model, settings: dict[str, Any],
    without: Collection[str], out: Path, say: Callable[[str], None],
) -> str:  # fmt: skip
    """Write the file of `network`; its blend is fitted on the dev rows of `corpus`. Returns its SHA-256.

    without: families that it was trained without; nothing of them is used.
    """
    seen = [row for row in corpus.rows if row.family not in without]
    watched = Random(_SEED).sample([row for row in seen if row.split == "train"], WATCHED)
    scales = quantise.observed(network, tokenised(pieces, [row.text for row in watched], longest))
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    made = graph.build(weights, network.shape, scales)
    say(f"the graph has {len(made):,} bytes")
    training = {
        "data": corpus.hashes,
        "settings": settings,
        "shape": network.shape.as_record(),
        "without": sorted(without),
        "first": {"version": first.version, "share": blend.FIRST},
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
    }
    header = Header(RELEASE, LANGUAGES, longest, {}, training)
    artifact.write(out, header, pieces.words, made)
    judged = [row for row in seen if row.split == "dev" and row.family not in UNCALIBRATED_FAMILIES]
    both = blend.fit(*_odds(out, first, judged), judged)
    digest = artifact.write(out, Header(RELEASE, LANGUAGES, longest, both, training), pieces.words, made)
    say(f"wrote {out}, {out.stat().st_size:,} bytes, sha256 {digest}")
    return digest


def _odds(path: Path, first: first_tier.Model, rows: Sequence[Row]) -> tuple[blend.Odds, blend.Odds]:
    texts = normalise_all([row.text for row in rows])
    raw = load(path).raw_odds(texts)
    if not np.isfinite(raw).all():
        raise ModelError(f"The second tier {path} gives no numbers.")
    return np.asarray(first.log_odds(texts) * UNIT), raw
