"""The hidden units of one network in the order of another's: they have none of their own, training gives any.

Matching is by activations: units whose outputs correlate over the data belong together (Li et al. 2016, "Convergent
learning"; Ainsworth et al. 2023, "Git Re-Basin", section 3.1). They are taken before the nonlinearity, which would make
all units alike that a ReLU never lets through.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from gengap_measures.layers import ACTIVATIONS, BatchNorm, WeightLayer
from gengap_measures.outputs import activations
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

_KEEP_CHANNELS = (
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
    nn.Flatten,
    nn.Identity,
)


@dataclass(frozen=True)
class _Block:
    """A weight layer, the batch norms after it, and the last of these: its outputs tell the units apart."""

    layer: WeightLayer
    norms: tuple[BatchNorm, ...]
    seen: nn.Module


def aligned(network: nn.Module, reference: nn.Module, inputs: Tensor) -> nn.Module:
    """A copy of `network` that computes the same, with its hidden units in the order of the reference's.

    Layer by layer, units are paired so that the sum of the correlations of their outputs over `inputs` (examples and
    positions) is largest. Raises ValueError unless both are a plain chain of layers.
    """
    copied = copy.deepcopy(network)
    blocks, others = _blocks(copied), _blocks(reference)
    with torch.no_grad():
        pairs = zip(
            activations(copied, inputs, [block.seen for block in blocks[:-1]], _by_position),
            activations(reference, inputs, [block.seen for block in others[:-1]], _by_position),
            strict=True,
        )
        orders = [_order(own, theirs) for own, theirs in pairs]
        for (block, following), order in zip(pairwise(blocks), orders, strict=True):
            _reorder(block, following, order)
    return copied


def _by_position(activation: Tensor) -> Tensor:
    """(n, C, H, W) → (n · positions, C); (n, d) as it is."""
    return activation.flatten(2).transpose(1, 2).flatten(0, 1) if activation.dim() == 4 else activation


def _order(own: Tensor, theirs: Tensor) -> Tensor:
    """For each unit of the reference the one of the network that belongs to it. own, theirs: (rows, units)."""
    own, theirs = _standardised(own), _standardised(theirs)
    _, columns = linear_sum_assignment((theirs.T @ own).numpy(), maximize=True)
    return torch.from_numpy(columns)


def _standardised(outputs: Tensor) -> Tensor:
    centered = outputs - outputs.mean(dim=0)
    lengths = centered.norm(dim=0)
    return centered / torch.where(lengths > 0, lengths, torch.ones_like(lengths))


def _reorder(block: _Block, following: _Block, order: Tensor) -> None:
    tensors = [block.layer.weight, block.layer.bias]
    for norm in block.norms:
        tensors += [norm.weight, norm.bias, norm.running_mean, norm.running_var]
    for tensor in tensors:
        if tensor is not None:
            tensor.copy_(tensor[order].clone())
    weight = following.layer.weight
    grouped = torch.unflatten(weight, 1, (len(order), -1))  # a convolution's unit may have many inputs
    weight.copy_(grouped[:, order].flatten(1, 2).clone())


def _blocks(network: nn.Module) -> list[_Block]:
    """The network's weight layers with what follows each. Raises ValueError for anything but a plain chain."""
    blocks: list[_Block] = []
    for module in _chain(network):
        if isinstance(module, nn.Linear | nn.Conv2d):
            if isinstance(module, nn.Conv2d) and module.groups > 1:
                raise ValueError("units can be aligned in plain chains only, and a grouped convolution ties its units")
            blocks.append(_Block(module, (), module))
        elif blocks and isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            last = blocks[-1]
            if module.num_features != len(last.layer.weight):
                raise ValueError("units can be aligned where batch norm is of units, not of flattened images")
            blocks[-1] = _Block(last.layer, (*last.norms, module), module)
        elif not isinstance(module, (*_KEEP_CHANNELS, *ACTIVATIONS)):
            raise ValueError(
                f"units can be aligned in plain chains of layers only, and this network has a {type(module).__name__}"
            )
    return blocks


def _chain(network: nn.Module) -> Iterator[nn.Module]:
    parts: Sequence[nn.Module] = list(network.children()) if isinstance(network, nn.Sequential) else ()
    if not parts:
        yield network
    for part in parts:
        yield from _chain(part)
