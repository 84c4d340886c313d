"""How little noise in the weights it takes to hurt the network.

Formula: 1 / σ², σ the largest standard deviation of Gaussian noise in every parameter that costs at most 10 %
of training accuracy on average over ten draws.
Source: "PAC-Bayes flatness" in Jiang et al. 2020, eq. 53.
Cost: about 150 forward passes over at most 1000 training examples.
Higher: a sharper minimum, so a larger expected gap.
"""

import torch
from gengap_measures import Dataset, flat, noise_tolerance, some
from torch import nn

NAME = "PAC-Bayes flatness"
SOURCE = "Jiang et al. 2020"
TRACK = "standard"
COST = "m"

EXAMPLES = 1000


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """One over the tolerated variance."""
    ones = torch.ones_like(flat(model))
    return 1 / noise_tolerance(model, *some(dataset, EXAMPLES), lambda scale: scale * ones) ** 2
