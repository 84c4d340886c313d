"""The layers' Frobenius norms over the margin, averaged so that networks of different depth compare.

Formula: log(d · (product over the d weight layers of ||W||_F² / γ²)^(1/d)), with batch norm folded in, and γ the 10th
percentile of the output margin over the training data (at least 0.001).
Source: "sum of Frobenius norms over margin" in Jiang et al. 2020, eq. 38.
Cost: one pass over the weights and one over the training data.
Higher: larger norms for the margin there is, so a larger expected gap.
"""

import math

from gengap_measures import Dataset, linear_maps, training_margin
from torch import nn

NAME = "Sum of Frobenius norms over margin"
SOURCE = "Jiang et al. 2020"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The logarithm of the sum; the margin's part is shared between the layers."""
    layers = linear_maps(model, dataset.inputs)
    product = sum(2 * math.log(layer.frobenius) for layer in layers) - 2 * math.log(training_margin(model, dataset))
    return math.log(len(layers)) + product / len(layers)
