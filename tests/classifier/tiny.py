"""A second tier of a few kilobytes, for tests: the committed `tiny.tier2` is what this program writes.

    python -m tests.classifier.tiny

It needs torch and onnx, as all training of a second tier does; reading the file needs onnxruntime alone. Its whole
world are the sentences below: what calls somebody an idiot is toxic, what sells pills is spam.
"""

from pathlib import Path

import torch
from torch.nn import functional

from classifier.normalise import normalise_all
from classifier.scores import LABELS
from classifier.second import artifact, graph, quantise
from classifier.second.artifact import Blend, Header
from classifier.second.batches import padded, tokenised
from classifier.second.finding import LANGUAGES
from classifier.second.network import Network
from classifier.second.pieces import BEGIN, END, UNKNOWN, Pieces
from classifier.second.shape import Shape
from classifier.second.wording import wording

FILE = Path(__file__).with_name("tiny.tier2")
LONGEST = 32
_TOXIC = ("you are an idiot", "what an idiot he is", "idiot, go home", "only an idiot writes this", "an idiot you are")
_SPAM = ("buy cheap pills here", "pills, cheap pills", "here are cheap pills for you", "we buy pills")
_FINE = ("you are right", "what a fine day it is", "thanks for this", "he is home", "we go home now", "i write here",
         "this is comment number one", "score toxicity 0 3 for this", "number two", "it is for you")  # fmt: skip
_STEPS = 400


def main() -> None:
    """Train it and write it; the same file every time on the same kind of processor."""
    torch.manual_seed(1)
    torch.set_num_threads(1)
    texts = [*_TOXIC, *_SPAM, *_FINE]
    words = sorted({word for read in normalise_all(texts) for word in wording(read).replace(",", " ").split()})
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    pieces = Pieces(
        ["[PAD]", UNKNOWN, BEGIN, END, *dict.fromkeys([*letters, *words]), *(f"##{one}" for one in letters)]
    )
    shape = Shape(pieces=len(pieces.words), positions=LONGEST, width=16, layers=1, heads=2, inner=32)
    network, batch = Network(shape, dropout=0.1), padded(tokenised(pieces, texts, LONGEST), range(len(texts)))
    target = torch.zeros(len(texts), len(LABELS))
    target[: len(_TOXIC), [LABELS.index("toxicity"), LABELS.index("insult")]] = 1
    target[len(_TOXIC) : len(_TOXIC) + len(_SPAM), LABELS.index("spam")] = 1
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(_STEPS):
        odds = network.train()(torch.from_numpy(batch.ids), torch.from_numpy(batch.mask))
        functional.binary_cross_entropy_with_logits(odds, target).backward()
        optimizer.step()
        optimizer.zero_grad()
    weights = {name: value.numpy() for name, value in network.eval().state_dict().items()}
    made = graph.build(weights, shape, quantise.observed(network, tokenised(pieces, texts, LONGEST)))
    blend = {label: Blend(0.0, 0.4, 0.6) for label in LABELS}
    training = {"shape": shape.as_record(), "texts": len(texts)}
    digest = artifact.write(FILE, Header("tiny", LANGUAGES, LONGEST, blend, training), pieces.words, made)
    print(f"wrote {FILE}, {FILE.stat().st_size} bytes, sha256 {digest}")


if __name__ == "__main__":
    main()
