"""Singular values of layers as the linear maps they are: exact for convolutions too, and with batch norm inside.

A convolution's spectral norm is not that of its reshaped kernel. Sedghi, Gupta and Long 2019, "The Singular Values
of Convolutional Layers": with circular padding, the Fourier transform cuts the map into one small matrix for each
frequency.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from gengap_measures.layers import WeightLayer, weight_layers, weight_pairs, with_batch_norm_folded
from torch import Tensor, nn


@dataclass(frozen=True)
class LinearMap:
    """A weight layer with the batch norm after it folded in: its weight, float64, and its norms.

    spectral: the largest singular value of the map. frobenius: that of the weight or kernel.
    """

    weight: Tensor
    spectral: float
    frobenius: float


def linear_maps(model: nn.Module, inputs: Tensor) -> list[LinearMap]:
    """The network's weight layers as linear maps, in the order of its declaration.

    inputs: of the network; one of them tells the sizes of the images that reach each convolution.
    """
    folded = with_batch_norm_folded(model)
    return [
        LinearMap(weight, spectral_norm(layer, weight, size), float(weight.norm()))
        for layer, size in image_sizes(folded, inputs)
        for weight in [layer.weight.detach().double()]
    ]


def spectral_norms(model: nn.Module, inputs: Tensor) -> list[float]:
    """The spectral norm of each weight layer by itself, without batch norm. inputs: of the network, for their size."""
    layers = image_sizes(model, inputs)
    return [spectral_norm(layer, layer.weight.detach().double(), size) for layer, size in layers]


def spectral_distances(model: nn.Module, inputs: Tensor) -> list[float]:
    """The spectral norm of each weight layer's change since initialization. Raises ValueError without initials."""
    layers = zip(image_sizes(model, inputs), weight_pairs(model), strict=True)
    return [spectral_norm(layer, pair.final - pair.initial, size) for (layer, size), pair in layers]


def row_lengths(model: nn.Module, inputs: Tensor, weights: Sequence[Tensor]) -> list[float]:
    """The lengths of the rows of each weight layer as a linear map, added up, with `weights` in place of its own.

    A convolution with circular padding has a row for each unit at each position, all of a unit's alike.
    """
    sums = []
    for (layer, size), weight in zip(image_sizes(model, inputs), weights, strict=True):
        positions, rows = 1, weight
        if isinstance(layer, nn.Conv2d):
            steps = [-(-length // step) for length, step in zip(size, layer.stride, strict=True)]
            positions = math.prod(steps)
            height, width = (count * step for count, step in zip(steps, layer.stride, strict=True))
            rows = _wrapped(weight, (height, width), layer.dilation)
        sums.append(positions * float(rows.flatten(1).norm(dim=1).sum()))
    return sums


def image_sizes(model: nn.Module, inputs: Tensor) -> list[tuple[WeightLayer, tuple[int, ...]]]:
    """Each weight layer with the (rows, columns) of the images it gets; for linear layers the sizes mean nothing."""
    layers = weight_layers(model)
    sizes: dict[nn.Module, tuple[int, ...]] = {}
    hooks = [
        layer.register_forward_pre_hook(lambda module, given: sizes.update({module: tuple(given[0].shape[2:])}))
        for layer in layers
    ]
    try:
        with torch.no_grad():
            model(inputs[:1])
    finally:
        for hook in hooks:
            hook.remove()
    if len(sizes) < len(layers):
        raise ValueError("the network does not call every one of its layers, so their norms do not bound it")
    return [(layer, sizes[layer]) for layer in layers]


def spectral_norm(layer: WeightLayer, weight: Tensor, size: tuple[int, ...]) -> float:
    """The largest singular value of a layer whose weight is `weight`, for images of `size` (rows, columns)."""
    if isinstance(layer, nn.Conv2d):
        return convolution_spectral_norm(weight, (size[0], size[1]), layer.stride, layer.dilation, layer.groups)
    return float(torch.linalg.matrix_norm(weight, 2))


def convolution_spectral_norm(
    kernel: Tensor,
    size: tuple[int, int],
    stride: tuple[int, ...] = (1, 1),
    dilation: tuple[int, ...] = (1, 1),
    groups: int = 1,
) -> float:
    """The largest singular value of a convolution with circular padding, float64 kernel (out, in / groups, h, w).

    size: (rows, columns) of its input, counted up to multiples of the stride. With a stride, the frequencies that
    fall onto one another stand side by side in one matrix.
    """
    rows, columns = (-(-length // step) * step for length, step in zip(size, stride, strict=True))
    spectrum = torch.fft.fft2(_wrapped(kernel, (rows, columns), dilation))
    outputs, inputs = kernel.shape[:2]
    down, across = stride[0], stride[1]
    # Frequencies rows/down apart are one after the downsampling: (groups, out, in, down, f, across, g).
    parts = spectrum.reshape(groups, outputs // groups, inputs, down, rows // down, across, columns // across)
    parts = parts.permute(0, 4, 6, 1, 2, 3, 5).flatten(4)  # (groups, f, g, out, in · down · across)
    matrices = parts / math.sqrt(down * across)
    gram = matrices @ matrices.mH if matrices.shape[-2] <= matrices.shape[-1] else matrices.mH @ matrices
    return math.sqrt(max(0.0, float(torch.linalg.eigvalsh(gram).max())))


def _wrapped(kernel: Tensor, size: tuple[int, int], dilation: tuple[int, ...]) -> Tensor:
    """The kernel on the torus of `size`: what reaches beyond the image comes back in on the other side."""
    rows = torch.arange(kernel.shape[2]) * dilation[0] % size[0]
    columns = torch.arange(kernel.shape[3]) * dilation[1] % size[1]
    wrapped = torch.zeros(*kernel.shape[:2], size[0] * size[1], dtype=kernel.dtype)
    places = (rows[:, None] * size[1] + columns).flatten()
    return wrapped.index_add(2, places, kernel.flatten(2)).view(*kernel.shape[:2], *size)
