"""The layers' Frobenius norms multiplied.

Formula: log of the product over weight layers of ||W||_F², with batch norm folded into the layer before it.
Source: "product of Frobenius norms" in Jiang et al. 2020, eq. 37, after Neyshabur et al. 2015, "Norm-Based Capacity
Control in Neural Networks".
Cost: one pass over the weights; one training example is looked at, for sizes.
Higher: a larger class of functions within reach, so a larger expected gap.
"""

import math

from gengap_measures import Dataset, linear_maps
from torch import nn

NAME = "Product of Frobenius norms"
SOURCE = "Jiang et al. 2020"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The logarithm of the product."""
    return sum(2 * math.log(layer.frobenius) for layer in linear_maps(model, dataset.inputs))
