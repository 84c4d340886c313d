"""How badly linear explanations of the network at neighbouring points explain it at the training examples.

Formula: the mean over training examples x and random neighbours x' = x + δ of (p(x) - p(x') - ∇p(x')·(x -
x'))², with p the probability of the example's label: the mirrored neighbourhood fidelity of gradient
explanations. δ is Gaussian, 0.3 of the inputs' standard deviation; two neighbours each.
Source: Li, Nagarajan, Plumb and Talwalkar 2021, "A Learning Theoretic Perspective on Local Explainability".
Cost: two forward and backward passes over at most 1000 training examples.
Higher: a function that no linear one follows around the data, so a larger expected gap.
"""

import torch
from gengap_measures import Dataset, label_probability_gradients, some
from torch import nn

NAME = "Local explanation error"
SOURCE = "Li et al. 2021"
TRACK = "standard"
COST = "m"

EXAMPLES = 1000
NEIGHBOURS = 2
WIDTH = 0.3


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The mean squared error of the explanations."""
    inputs, labels = some(dataset, EXAMPLES)
    here, _ = label_probability_gradients(model, inputs, labels)
    total = 0.0
    for _ in range(NEIGHBOURS):
        step = WIDTH * inputs.std() * torch.randn_like(inputs)
        there, slope = label_probability_gradients(model, inputs + step, labels)
        explained = there - (slope * step.flatten(1).double()).sum(dim=1)
        total += float((here - explained).square().mean())
    return total / NEIGHBOURS
