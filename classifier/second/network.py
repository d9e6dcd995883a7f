"""The transformer in torch, for training: BERT's encoder (Devlin et al. 2019), the mean of its last layer, one head per
label.

Its weights are those of MiniLM-L6 (Wang et al. 2020): a directory with `config.json`, `model.safetensors` and
`vocab.txt`.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from classifier.scores import LABELS
from classifier.second.shape import NORM_EPSILON, Shape


class Layer(nn.Module):
    """One layer: attention and a feed-forward net, each added to what came in and normalised."""

    def __init__(self, shape: Shape, dropout: float) -> None:
        super().__init__()
        self.heads = shape.heads
        self.dropout = dropout
        self.query, self.key, self.value, self.mixed = (nn.Linear(shape.width, shape.width) for _ in range(4))
        self.up, self.down = nn.Linear(shape.width, shape.inner), nn.Linear(shape.inner, shape.width)
        self.after_attention = nn.LayerNorm(shape.width, eps=NORM_EPSILON)
        self.after_net = nn.LayerNorm(shape.width, eps=NORM_EPSILON)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        rows, length, width = states.shape
        query, key, value = (
            part(states).view(rows, length, self.heads, -1).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        drop = self.dropout if self.training else 0.0
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=drop)
        mixed = self.mixed(seen.transpose(1, 2).reshape(rows, length, width))
        states = self.after_attention(states + functional.dropout(mixed, drop))
        net = self.down(functional.gelu(self.up(states)))
        return self.after_net(states + functional.dropout(net, drop))


class Network(nn.Module):
    """Token ids and mask (rows x length) to raw log-odds (rows x labels)."""

    def __init__(self, shape: Shape, dropout: float = 0.1) -> None:
        super().__init__()
        self.shape, self.dropout = shape, dropout
        self.words = nn.Embedding(shape.pieces, shape.width)
        self.places = nn.Parameter(torch.zeros(shape.positions, shape.width))
        self.norm = nn.LayerNorm(shape.width, eps=NORM_EPSILON)
        self.layers = nn.ModuleList(Layer(shape, dropout) for _ in range(shape.layers))
        self.head = nn.Linear(shape.width, len(LABELS))
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        states = self.norm(self.words(ids) + self.places[: ids.shape[1]])
        states = functional.dropout(states, self.dropout if self.training else 0.0)
        wide = mask[:, None, None, :].bool()
        for layer in self.layers:
            states = layer(states, wide)
        counted = mask[:, :, None].to(states.dtype)
        mean = (states * counted).sum(1) / counted.sum(1)
        mean = functional.dropout(mean, self.dropout if self.training else 0.0)
        odds: Tensor = self.head(mean.float())
        return odds


def pretrained(base: Path, dropout: float = 0.1) -> Network:
    """A network with the encoder of `base` and new heads. Raises OSError, KeyError when `base` holds another model."""
    config = json.loads((base / "config.json").read_text("utf-8"))
    shape = Shape(
        pieces=config["vocab_size"],
        width=config["hidden_size"],
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        inner=config["intermediate_size"],
    )
    network = Network(shape, dropout)
    kept = _renamed(load_file(base / "model.safetensors"), shape)
    network.load_state_dict(network.state_dict() | kept)
    return network


_NAMES = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "mixed": "attention.output.dense",
    "after_attention": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "after_net": "output.LayerNorm",
}


def _renamed(theirs: dict[str, Tensor], shape: Shape) -> dict[str, Tensor]:
    ours = {
        "words.weight": theirs["embeddings.word_embeddings.weight"],
        "places": theirs["embeddings.position_embeddings.weight"][: shape.positions]
        + theirs["embeddings.token_type_embeddings.weight"][0],
    }
    for kind in ("weight", "bias"):
        ours[f"norm.{kind}"] = theirs[f"embeddings.LayerNorm.{kind}"]
        for layer in range(shape.layers):
            for name, other in _NAMES.items():
                ours[f"layers.{layer}.{name}.{kind}"] = theirs[f"encoder.layer.{layer}.{other}.{kind}"]
    return ours
