"""Fine-tune the transformer: all labels at once, missing labels masked.

Stopping is safe at any time: every few hundred steps everything needed to go on is written, and the same command goes
on from there. What is kept in the end is a running mean of the weights, which generalises better than the last ones
(Izmailov et al. 2018).
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from classifier.data import Row, read
from classifier.second.batches import Batch, in_order, shuffled, tokenised
from classifier.second.kept import begun, check
from classifier.second.mix import Mix
from classifier.second.network import Network, pretrained
from classifier.second.pieces import Pieces
from classifier.second.shape import Shape

SEED = 20261125
_ROWS = 60
"""About as many rows as a batch has; a constant, so that a row in a batch of long ones counts like any other."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to fine-tune. tokens: how many are read in all. batch: tokens in one step. frozen: lower layers that stay.

    rate: of the top layer; each layer below learns `decay` times as fast. head_rate: of the heads. mean: how much of
    the running mean stays in each step. longest: word pieces of a text. bf16: multiply in half precision.
    """

    tokens: int = 5_000_000
    batch: int = 2048
    frozen: int = 2
    rate: float = 1e-4
    head_rate: float = 2e-3
    decay: float = 0.85
    warm: float = 0.05
    last: float = 0.05
    weight_decay: float = 0.01
    clip: float = 1.0
    mean: float = 0.997
    dropout: float = 0.1
    longest: int = 96
    seed: int = SEED
    bf16: bool = True

    def as_record(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


class Tuning:
    """A fine-tuning under way. base: directory of MiniLM. kept: file to go on from and to write to.

    begun_with: see `kept.begun`. Raises DataError where `kept` was begun with something else.
    """

    def __init__(
        self, base: Path, rows: Sequence[Row], settings: Settings, kept: Path, begun_with: Mapping[str, Any]
    ) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.kept, self.begun_with = settings, kept, begun_with
        self.network = pretrained(base, settings.dropout)
        self.mean = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.pieces = vocabulary(base)
        self.mix = Mix(rows, settings.seed)
        self.optimizer = torch.optim.AdamW(_groups(self.network, settings), weight_decay=settings.weight_decay)
        self._peaks = [group["lr"] for group in self.optimizer.param_groups]
        self.tokens = self.step = self.number = self.begun = 0
        if kept.exists():
            self._load()

    def run(self, say: Callable[[str], None], every: int = 300) -> Network:
        """Train to the end, writing `kept` every so many steps. Returns the network with the mean of its weights."""
        self.network.train()
        started, before, loss = time.monotonic(), self.tokens, 0.0
        for batch, target, weight in self._steps():
            loss += self._learn(batch, target, weight)
            if self.step % every == 0:
                self._save()
            if self.step % 50 == 0:
                speed = (self.tokens - before) / (time.monotonic() - started)
                left = (self.settings.tokens - self.tokens) / max(speed, 1) / 60
                done = f"step {self.step}, {self.tokens:,} tokens, loss {loss / 50:.4f}"
                say(f"{done}, {speed:.0f} a second, {left:.0f} minutes left")
                loss = 0.0
        self._save()
        return self.averaged()

    def averaged(self) -> Network:
        self.network.load_state_dict(self.mean)
        self.network.eval()
        return self.network

    def _steps(self) -> Iterator[tuple[Batch, Tensor, Tensor]]:
        while self.tokens < self.settings.tokens:
            rows, target, weight = self.mix.drawn(self.number)
            ids = tokenised(self.pieces, [row.text for row in rows], self.settings.longest)
            random = Random(f"{self.settings.seed}-{self.number}-order")
            for at, batch in enumerate(shuffled(ids, self.settings.batch, random)):
                if at < self.begun:
                    continue
                self.begun = at + 1
                yield batch, torch.from_numpy(target[batch.rows]), torch.from_numpy(weight[batch.rows])
                if self.tokens >= self.settings.tokens:
                    return
            self.number, self.begun = self.number + 1, 0

    def _learn(self, batch: Batch, target: Tensor, weight: Tensor) -> float:
        share = self._share()
        for group, peak in zip(self.optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = peak * share
        torch.manual_seed(self.settings.seed + self.step)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.settings.bf16):
            odds = self.network(torch.from_numpy(batch.ids), torch.from_numpy(batch.mask))
        known = ~target.isnan()
        losses = functional.binary_cross_entropy_with_logits(odds, target.nan_to_num(0.0), reduction="none")
        loss = (losses * weight * known).sum() / _ROWS
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.tokens += batch.ids.size
        self._average()
        return float(loss.detach())

    def _share(self) -> float:
        """Of the peak rate: rising at first, then falling in a line."""
        done = self.tokens / self.settings.tokens
        if done < self.settings.warm:
            return max(done / self.settings.warm, 0.01)
        left = (1 - done) / (1 - self.settings.warm)
        return self.settings.last + (1 - self.settings.last) * left

    @torch.no_grad()
    def _average(self) -> None:
        kept = min(self.settings.mean, self.step / (self.step + 10))
        for name, value in self.network.named_parameters():
            if value.requires_grad:
                self.mean[name].lerp_(value, 1 - kept)

    def _save(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "mean": self.mean,
            "optimizer": self.optimizer.state_dict(),
            "at": [self.tokens, self.step, self.number, self.begun],
            **self.begun_with,
        }
        part = self.kept.with_suffix(".part")
        torch.save(state, part)
        part.replace(self.kept)

    def _load(self) -> None:
        state = torch.load(self.kept, weights_only=True)
        check(self.kept, state, self.begun_with)
        self.network.load_state_dict(state["network"])
        self.mean = state["mean"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.tokens, self.step, self.number, self.begun = state["at"]


def tune(
    base: Path, data: Path, work: Path, settings: Settings, without: Sequence[str], say: Callable[[str], None]
) -> Network:
    """Fine-tune on the train rows of `data` but for those of some families, and keep the network in `work`.

    Raises DataError.
    """
    corpus = read(data)
    begun_with = begun(corpus, settings.as_record(), without)
    work.mkdir(parents=True, exist_ok=True)
    rows = [row for row in corpus.split("train") if row.family not in without]
    say(f"{len(rows):,} rows, {settings.tokens:,} tokens" + (f", without {', '.join(without)}" if without else ""))
    network = Tuning(base, rows, settings, work / "kept.pt", begun_with).run(say)
    torch.save(network.state_dict(), work / "network.pt")
    record = {"settings": settings.as_record(), "shape": network.shape.as_record(), "without": sorted(without)}
    (work / "network.json").write_text(json.dumps(record, indent=1, sort_keys=True), encoding="utf-8")
    return network


def tuned(work: Path) -> tuple[Network, dict[str, Any]]:
    """The network that `tune` kept in `work`, and its record (settings, shape, families left out). Raises OSError."""
    record = json.loads((work / "network.json").read_text("utf-8"))
    network = Network(Shape(**record["shape"]))
    network.load_state_dict(torch.load(work / "network.pt", weights_only=True))
    return network.eval(), record


def vocabulary(base: Path) -> Pieces:
    """The word pieces of `base`."""
    return Pieces((base / "vocab.txt").read_text("utf-8").removesuffix("\n").split("\n"))


@torch.no_grad()
def raw_odds(network: Network, pieces: Pieces, texts: Sequence[str], longest: int) -> NDArray[np.float64]:
    """Raw log-odds of texts, n x labels."""
    network.eval()
    ids = tokenised(pieces, texts, longest)
    found = np.zeros((len(texts), network.head.out_features))
    for batch in in_order(ids, 4096):
        found[batch.rows] = network(torch.from_numpy(batch.ids), torch.from_numpy(batch.mask)).numpy()
    return found


def _groups(network: Network, settings: Settings) -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = [{"params": list(network.head.parameters()), "lr": settings.head_rate}]
    count = len(network.layers)
    for number, layer in enumerate(network.layers):
        learns = number >= settings.frozen
        for value in layer.parameters():
            value.requires_grad = learns
        if learns:
            rate = settings.rate * settings.decay ** (count - 1 - number)
            groups.append({"params": list(layer.parameters()), "lr": rate})
    for part in (network.words, network.norm):
        for value in part.parameters():
            value.requires_grad = False
    network.places.requires_grad = False
    return groups
