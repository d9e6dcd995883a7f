"""How wide each step of what flows must be: seen on texts, once, before serving (static quantisation).

The range of each tensor is cut where the error of rounding and of cutting together is least.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from classifier.second.batches import in_order
from classifier.second.graph import Scale, products
from classifier.second.network import Network

_DRAWN = 20_000
_CUTS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2)
_SEED = 3


@torch.no_grad()
def observed(network: Network, ids: Sequence[Sequence[int]]) -> dict[str, Scale]:
    """The scale of what flows into each product (see `graph.products`), seen on texts as token ids."""
    random = np.random.default_rng(_SEED)
    seen: dict[str, list[NDArray[np.float32]]] = defaultdict(list)
    modules = dict(network.named_modules())

    def watch(name: str) -> None:
        def look(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            values = given[0].float().numpy().ravel()
            ends = np.array([values.min(), values.max()], dtype=np.float32)
            seen[name].append(np.concatenate([ends, random.choice(values, min(_DRAWN, len(values)), replace=False)]))

        hooks.append(modules[products(network.shape)[name][0]].register_forward_pre_hook(look))

    hooks: list[torch.utils.hooks.RemovableHandle] = []
    for name in products(network.shape):
        watch(name)
    network.eval()
    for batch in in_order(ids, 2048):
        network(torch.from_numpy(batch.ids), torch.from_numpy(batch.mask))
    for hook in hooks:
        hook.remove()
    return {name: scale(np.concatenate(values)) for name, values in seen.items()}


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
