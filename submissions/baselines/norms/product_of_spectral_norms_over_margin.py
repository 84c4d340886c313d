"""A bound on how much the network can amplify a difference of inputs, beside the margin that it leaves.

Formula: log(product over weight layers of ||W||_2² / γ²), with batch norm folded in, exact norms of convolutions, and
γ the 10th percentile of the output margin over the training data (at least 0.001).
Source: "product of spectral norms over margin" in Jiang et al. 2020, eq. 31, after Bartlett et al. 2017,
"Spectrally-Normalized Margin Bounds for Neural Networks".
Cost: one decomposition for each frequency of each convolution, and one pass over the training data.
Higher: less margin for the amplification there is, so a larger expected gap.
"""

import math

from gengap_measures import Dataset, linear_maps, training_margin
from torch import nn

NAME = "Product of spectral norms over margin"
SOURCE = "Jiang et al. 2020"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The logarithm of the product over the squared margin."""
    product = sum(2 * math.log(layer.spectral) for layer in linear_maps(model, dataset.inputs))
    return product - 2 * math.log(training_margin(model, dataset))
