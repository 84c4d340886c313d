"""How far training moved the weights from where they started.

Formula: the square root of the sum of ||W - W0||², Frobenius norm, over weight matrices and convolution
kernels W with the initial values W0. Biases and batch norm's own parameters are left out.
Source: Nagarajan and Kolter 2019, "Generalization in Deep Networks: The Role of Distance from
Initialization"; "Frobenius distance" in Jiang et al. 2020.
Cost: one pass over the weights; the data are not looked at. Needs the initial weights.
Higher: training had to go farther to fit the data, so a larger expected gap.
"""

import math

from gengap_measures import Dataset, weight_pairs
from torch import nn

NAME = "Distance from initialization"
SOURCE = "Nagarajan and Kolter 2019"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The Frobenius distance between final and initial weights. Raises ValueError without initial weights."""
    return math.sqrt(sum(float((pair.final - pair.initial).square().sum()) for pair in weight_pairs(model)))
