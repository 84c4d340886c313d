"""A bound on how much the network can amplify a difference between two inputs: its layers' norms multiplied.

Formula: log of the product over weight layers of ||W||_2², with batch norm folded into the layer before it and exact
norms of convolutions (Sedghi et al. 2019).
Source: "product of spectral norms" in Jiang et al. 2020, eq. 32, after Bartlett et al. 2017, "Spectrally-Normalized
Margin Bounds for Neural Networks".
Cost: one decomposition for each frequency of each convolution; one training example is looked at, for sizes.
Higher: a larger Lipschitz bound, so a larger expected gap.
"""

import math

from gengap_measures import Dataset, linear_maps
from torch import nn

NAME = "Product of spectral norms"
SOURCE = "Jiang et al. 2020"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The logarithm of the product."""
    return sum(2 * math.log(layer.spectral) for layer in linear_maps(model, dataset.inputs))
