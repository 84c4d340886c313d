"""Bartlett's spectral complexity over the margin: a covering bound for networks near their initialization.

Formula: log(R / γ) with R = (product of s_i) · (sum of (||(W_i - W0_i)ᵀ||_{2,1} / s_i)^(2/3))^(3/2), s_i the spectral
norm of layer i, ||·||_{2,1} the sum of the lengths of its rows, and γ the 10th percentile of the output margin over the
training data (at least 0.001). Convolutions are linear maps with circular padding, with a row for each unit at each
position. Batch norm is not folded in, since W0 has another one.
Source: Bartlett, Foster and Telgarsky 2017, "Spectrally-Normalized Margin Bounds for Neural Networks", eq. 1.2
with the initial weights as reference.
Cost: one decomposition for each frequency of each convolution, and one pass over the data. Needs the initial
weights.
Higher: a larger bound on the gap.
"""

import math

from gengap_measures import Dataset, row_lengths, spectral_norms, training_margin, weight_pairs
from torch import nn

NAME = "Spectral complexity"
SOURCE = "Bartlett et al. 2017"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The logarithm of the bound without its factors of data and logarithms. Raises ValueError without W0."""
    spectral = spectral_norms(model, dataset.inputs)
    moves = row_lengths(model, dataset.inputs, [pair.final - pair.initial for pair in weight_pairs(model)])
    moved = sum((move / s) ** (2 / 3) for move, s in zip(moves, spectral, strict=True))
    product = sum(math.log(s) for s in spectral)
    return product + 1.5 * math.log(max(moved, 1e-12)) - math.log(training_margin(model, dataset))
