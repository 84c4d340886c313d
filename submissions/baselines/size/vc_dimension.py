"""An estimate of the VC dimension: how many points networks of this size can label at will.

Formula: d · w · log w, for d weight layers with w weights and biases in all.
Source: Bartlett, Harvey, Liaw and Mehrabian 2019, "Nearly-tight VC-dimension Bounds for Piecewise Linear Neural
Networks" (their upper bound without its constants); "VC dimension" in Jiang et al. 2020.
Cost: none; neither the data nor the values of the weights are looked at.
Higher: a richer class of functions, so a larger expected gap.
"""

import math

from gengap_measures import Dataset, weight_layers
from torch import nn

NAME = "VC dimension"
SOURCE = "Bartlett et al. 2019"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The bound's leading term. Raises ValueError for a network without weight layers."""
    layers = weight_layers(model)
    weights = sum(parameter.numel() for layer in layers for parameter in layer.parameters(recurse=False))
    return len(layers) * weights * math.log(weights)
