"""A network as Keras' layers, for measures that count them: those of the PGDL competition's teams.

A Keras layer can be several modules here (a convolution with its own activation) or none (dropout). An imported network
says how many in `keras_layers`. For other networks it is guessed: an activation right behind a weight layer, and a
Flatten right behind global pooling, belong to what is before them.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate

import torch
from gengap_measures.data import batches
from gengap_measures.layers import ACTIVATIONS
from torch import Tensor, nn

_STRIDED = nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d
_GLOBAL_POOLING = nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d


def keras_layers(model: nn.Module) -> list[tuple[nn.Module, ...]]:
    """The modules of each Keras layer, in order; none for a layer that does nothing. Raises ValueError for no chain."""
    chain = _chain(model)
    sizes = getattr(model, "keras_layers", None) or _guessed(chain)
    ends = list(accumulate(sizes))
    return [tuple(chain[end - size : end]) for end, size in zip(ends, sizes, strict=True)]


def layer_inputs(model: nn.Module, inputs: Tensor, places: Sequence[int]) -> list[Tensor]:
    """What Keras' layers number `places` get: (n, ...) each, in the network's own precision.

    As many layers as there are is the place of the network's output. Layers above the last place are not computed.
    """
    layers = keras_layers(model)
    kept: list[list[Tensor]] = [[] for _ in places]
    with torch.no_grad():
        for (x,) in batches(inputs):
            value = x
            for place in range(max(places) + 1):
                for wanted, parts in zip(places, kept, strict=True):
                    if wanted == place:
                        parts.append(value)
                for module in layers[place] if place < max(places) else ():
                    value = module(value)
    return [torch.cat(parts) for parts in kept]


def first_strided_layer(model: nn.Module) -> int:
    """Which Keras layer is the first with strides: a convolution or pooling. Without any, the first with weights."""
    layers = keras_layers(model)
    strided = [place for place, modules in enumerate(layers) if modules and isinstance(modules[0], _STRIDED)]
    weighted = [place for place, modules in enumerate(layers) if any(list(module.parameters()) for module in modules)]
    return (strided or weighted or [0])[0]


def _chain(model: nn.Module) -> list[nn.Module]:
    if not isinstance(model, nn.Sequential):
        raise ValueError(
            f"this measure counts Keras' layers, but this network is a {type(model).__name__}, not an nn.Sequential; "
            "the improved version of the measure takes any network"
        )
    return list(_links(model))


def _links(sequential: nn.Sequential) -> Iterator[nn.Module]:
    for module in sequential:
        if isinstance(module, nn.Sequential):
            yield from _links(module)
        else:
            yield module


def _guessed(chain: Sequence[nn.Module]) -> list[int]:
    sizes: list[int] = []
    before: nn.Module | None = None
    for module in chain:
        is_inner = (isinstance(module, ACTIVATIONS) and isinstance(before, nn.Linear | nn.Conv2d)) or (
            isinstance(module, nn.Flatten) and isinstance(before, _GLOBAL_POOLING)
        )
        if is_inner:
            sizes[-1] += 1
        else:
            sizes.append(1)
        before = module
    return sizes
