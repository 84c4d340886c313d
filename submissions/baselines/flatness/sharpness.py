"""How small a box around the weights holds a network that is hurt: worst-case sharpness.

Formula: 1 / α², α the largest half side of a box |u_i| ≤ α in which no point that is found costs more than 10 %
of training accuracy. The points are found by climbing the loss along the gradient's signs.
Source: "sharpness flatness" in Jiang et al. 2020, eq. 54, after Keskar et al. 2017, "On Large-Batch Training
for Deep Learning".
Cost: about 100 gradients over at most 500 training examples.
Higher: a sharper minimum, so a larger expected gap.
"""

import torch
from gengap_measures import Dataset, flat, some, worst_case_tolerance
from torch import nn

NAME = "Worst-case sharpness"
SOURCE = "Keskar et al. 2017"
TRACK = "standard"
COST = "m"

EXAMPLES = 500


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """One over the squared half side."""
    ones = torch.ones_like(flat(model))
    return 1 / worst_case_tolerance(model, *some(dataset, EXAMPLES), lambda scale: scale * ones) ** 2
