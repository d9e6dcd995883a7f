"""How wide each step of what flows must be: seen on texts, once, before serving (static quantisation)."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from classifier.second.batches import in_order
from classifier.second.graph import products
from classifier.second.network import Network
from classifier.second.steps import Scale, scale

_DRAWN = 20_000
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
