"""The path norm: the sum over all paths from inputs to outputs of the squared product of their weights."""

import torch
from gengap_measures.layers import batch_norm_scale, with_batch_norm_folded
from torch import Tensor, nn

# Their output for inputs that are nowhere negative is what a path needs: the input itself, or a choice or mean of it.
_NO_WEIGHTS = (
    nn.Sequential,
    nn.Identity,
    nn.Flatten,
    nn.ReLU,
    nn.LeakyReLU,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
)
_BY_NAME = ("Residual", "MeanTokens", "Patches")  # of the zoo's own layers, those that only add and average


def path_norm(model: nn.Module, inputs: Tensor) -> float:
    """The sum of the outputs of f with every parameter squared, at an input of ones (Jiang et al. 2020, eq. 44).

    Batch norm is folded into the layers first. inputs: of the network, for their shape. Raises ValueError for
    layers in which a path has no product of weights: attention, layer norm, activations other than ReLU.
    """
    squared = with_batch_norm_folded(model).double()
    for name, module in squared.named_modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            _square_batch_norm(module)
        elif isinstance(module, nn.Linear | nn.Conv2d):
            for parameter in module.parameters(recurse=False):
                parameter.data.square_()
        elif not isinstance(module, _NO_WEIGHTS) and type(module).__name__ not in _BY_NAME:
            raise ValueError(
                f"the path norm is defined for networks of linear layers, ReLU and pooling; layer {name} is a "
                f"{type(module).__name__}, where a path has no product of weights"
            )
    with torch.no_grad():
        return float(squared(torch.ones(1, *inputs.shape[1:], dtype=torch.float64)).sum())


def _square_batch_norm(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
    scale, shift = batch_norm_scale(norm)
    norm.running_mean = torch.zeros_like(scale)
    norm.running_var = torch.ones_like(scale) - norm.eps
    norm.weight = nn.Parameter(scale.square())
    norm.bias = nn.Parameter(shift.square())
