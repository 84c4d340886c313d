"""A PAC-Bayes bound whose prior sits at the initial weights.

Formula: ||w - w0||² / (4 σ²) + log(n / σ) + 10, σ the largest standard deviation of Gaussian noise in every
parameter that costs at most 10 % of training accuracy on average over ten draws, n the number of training
examples.
Source: "PAC-Bayes init" in Jiang et al. 2020, eq. 48, after Neyshabur et al. 2017, "Exploring Generalization in
Deep Learning".
Cost: about 150 forward passes over at most 1000 training examples. Needs the initial weights.
Higher: a larger bound on the gap.
"""

import math

import torch
from gengap_measures import Dataset, flat, initial_of, noise_tolerance, some
from torch import nn

NAME = "PAC-Bayes init"
SOURCE = "Jiang et al. 2020"
TRACK = "standard"
COST = "m"

EXAMPLES = 1000


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The bound without its constants. Raises ValueError without initial weights."""
    moved = flat(model) - flat(initial_of(model))
    ones = torch.ones_like(moved)
    sigma = noise_tolerance(model, *some(dataset, EXAMPLES), lambda scale: scale * ones)
    return float(moved.square().sum()) / (4 * sigma**2) + math.log(len(dataset.labels) / sigma) + 10
