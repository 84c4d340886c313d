"""Bartlett's spectral complexity over the margin, with zero weights as the reference.

Formula: log(R / γ) with R = (product of s_i) · (sum of (||W_iᵀ||_{2,1} / s_i)^(2/3))^(3/2), s_i the spectral norm of
layer i, ||·||_{2,1} the sum of the lengths of its rows, and γ the 10th percentile of the output margin over the
training data (at least 0.001). Convolutions are linear maps with circular padding, with a row for each unit at each
position. Batch norm is not folded in, as in the version from initialization.
Source: Bartlett, Foster and Telgarsky 2017, "Spectrally-Normalized Margin Bounds for Neural Networks", eq. 1.2
with zero as reference.
Cost: one decomposition for each frequency of each convolution, and one pass over the training data.
Higher: a larger bound on the gap.
"""

import math

from gengap_measures import Dataset, row_lengths, spectral_norms, training_margin, weight_layers
from torch import nn

NAME = "Spectral complexity from origin"
SOURCE = "Bartlett et al. 2017"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The logarithm of the bound without its factors of data and logarithms."""
    spectral = spectral_norms(model, dataset.inputs)
    weights = [layer.weight.detach().double() for layer in weight_layers(model)]
    sizes = row_lengths(model, dataset.inputs, weights)
    relative = sum((size / s) ** (2 / 3) for size, s in zip(sizes, spectral, strict=True))
    product = sum(math.log(s) for s in spectral)
    return product + 1.5 * math.log(max(relative, 1e-12)) - math.log(training_margin(model, dataset))
