"""Which layers of a network carry weights, and what they are as linear maps. Measures of norms and spectra call it.

A weight layer is an `nn.Linear` or an `nn.Conv2d`, wherever it lies: in a row, in a residual block, in attention.
Biases and the parameters of normalisation layers are no weights.
"""

import copy
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

WeightLayer = nn.Linear | nn.Conv2d
ACTIVATIONS = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.Tanh,
    nn.Sigmoid,
    nn.ELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Softplus,
)
BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d


@dataclass(frozen=True)
class Pair:
    """A weight before and after training, in double precision."""

    final: Tensor
    initial: Tensor


def weight_layers(model: nn.Module) -> list[WeightLayer]:
    """The network's linear and convolutional layers in the order of its declaration. Raises ValueError for none."""
    layers = [module for module in model.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    if not layers:
        raise ValueError("this network has neither linear nor convolutional layers, so it has no weights to look at")
    return layers


def hidden_layers(model: nn.Module) -> list[nn.Module]:
    """The modules whose outputs are the network's hidden representations, from input to output.

    They are its activations; where it has none as modules, its weight layers but the last; where there is only
    one weight layer, that one.
    """
    activations: list[nn.Module] = [module for module in model.modules() if isinstance(module, ACTIVATIONS)]
    layers = weight_layers(model)
    return activations or list(layers[:-1] or layers)


def initial_of(model: nn.Module) -> nn.Module:
    """The network before training. Raises ValueError where the zoo does not have it."""
    initial = getattr(model, "initial", None)
    if not isinstance(initial, nn.Module):
        raise ValueError("this zoo has no initial weights (model.initial is None), so there is no distance")
    return initial


def weight_pairs(model: nn.Module) -> list[Pair]:
    """Each weight with its initial value: (out, in) or (out, in, rows, columns). Raises ValueError without initials."""
    layers = zip(weight_layers(model), weight_layers(initial_of(model)), strict=True)
    return [Pair(final.weight.detach().double(), start.weight.detach().double()) for final, start in layers]


def flat(model: nn.Module) -> Tensor:
    """All parameters as one vector in double precision."""
    return torch.cat([parameter.detach().double().flatten() for parameter in model.parameters()])


def with_batch_norm_folded(model: nn.Module) -> nn.Module:
    """A copy that computes the same in eval mode, in which batch norm right after a weight layer is part of it.

    Batch norm elsewhere (before the layer, or not inside an `nn.Sequential`) stays what it is.
    """
    copied = copy.deepcopy(model)
    for container in list(copied.modules()):
        if isinstance(container, nn.Sequential):
            names = list(container._modules)
            for name, following in pairwise(names):
                layer, norm = container._modules[name], container._modules[following]
                if isinstance(layer, nn.Linear | nn.Conv2d) and isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
                    _fold(layer, norm)
                    container._modules[following] = nn.Identity()
    return copied


def batch_norm_scale(norm: BatchNorm) -> tuple[Tensor, Tensor]:
    """Batch norm in eval mode is x * scale + shift for each feature: (scale, shift) in double precision."""
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("batch norm without running statistics computes no fixed function of one input")
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.detach().double()
    shift = -norm.running_mean.double() * scale
    if norm.bias is not None:
        shift = shift + norm.bias.detach().double()
    return scale, shift


def _fold(layer: WeightLayer, norm: BatchNorm) -> None:
    scale, shift = batch_norm_scale(norm)
    weight = layer.weight.detach().double()
    bias = torch.zeros(len(weight), dtype=torch.float64) if layer.bias is None else layer.bias.detach().double()
    layer.weight = nn.Parameter((weight * scale.reshape(-1, *[1] * (weight.dim() - 1))).to(layer.weight.dtype))
    layer.bias = nn.Parameter((bias * scale + shift).to(layer.weight.dtype))


def weight_spans(model: nn.Module) -> list[slice]:
    """Where each weight layer's weight lies in the vector of all parameters that `flat` gives."""
    weights = {id(layer.weight) for layer in weight_layers(model)}
    spans, start = [], 0
    for parameter in model.parameters():
        if id(parameter) in weights:
            spans.append(slice(start, start + parameter.numel()))
        start += parameter.numel()
    return spans
