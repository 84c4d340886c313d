"""The layers' Frobenius norms, averaged so that networks of different depth compare.

Formula: log(d · (product over the d weight layers of ||W||_F²)^(1/d)), with batch norm folded into the layer before it.
Source: "sum of Frobenius norms" in Jiang et al. 2020, eq. 39.
Cost: one pass over the weights; one training example is looked at, for sizes.
Higher: larger norms or more layers, so a larger expected gap.
"""

import math

from gengap_measures import Dataset, linear_maps
from torch import nn

NAME = "Sum of Frobenius norms"
SOURCE = "Jiang et al. 2020"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The logarithm of the sum that the layers would have if each had the geometric mean of their norms."""
    layers = linear_maps(model, dataset.inputs)
    product = sum(2 * math.log(layer.frobenius) for layer in layers)
    return math.log(len(layers)) + product / len(layers)
