"""A PAC-Bayes bound whose prior sits at zero.

Formula: ||w||² / (4 σ²) + log(n / σ) + 10, σ the largest standard deviation of Gaussian noise in every
parameter that costs at most 10 % of training accuracy on average over ten draws, n the number of training
examples.
Source: "PAC-Bayes origin" in Jiang et al. 2020, eq. 49, after Neyshabur et al. 2017, "Exploring Generalization
in Deep Learning".
Cost: about 150 forward passes over at most 1000 training examples.
Higher: a larger bound on the gap.
"""

import math

import torch
from gengap_measures import Dataset, flat, noise_tolerance, some
from torch import nn

NAME = "PAC-Bayes origin"
SOURCE = "Jiang et al. 2020"
TRACK = "standard"
COST = "m"

EXAMPLES = 1000


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The bound without its constants."""
    weights = flat(model)
    ones = torch.ones_like(weights)
    sigma = noise_tolerance(model, *some(dataset, EXAMPLES), lambda scale: scale * ones)
    return float(weights.square().sum()) / (4 * sigma**2) + math.log(len(dataset.labels) / sigma) + 10
