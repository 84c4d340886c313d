"""The layers' Frobenius norms multiplied, over the margin.

Formula: log(product over weight layers of ||W||_F² / γ²), with batch norm folded into the layer before it, and γ the
10th percentile of the output margin over the training data (at least 0.001).
Source: "product of Frobenius norms over margin" in Jiang et al. 2020, eq. 36, after Neyshabur et al. 2015,
"Norm-Based Capacity Control in Neural Networks".
Cost: one pass over the weights and one over the training data.
Higher: larger weights for the margin there is, so a larger expected gap.
"""

import math

from gengap_measures import Dataset, linear_maps, training_margin
from torch import nn

NAME = "Product of Frobenius norms over margin"
SOURCE = "Jiang et al. 2020"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The logarithm of the product over the squared margin."""
    product = sum(2 * math.log(layer.frobenius) for layer in linear_maps(model, dataset.inputs))
    return product - 2 * math.log(training_margin(model, dataset))
