"""How much the gradients of single training examples scatter around their mean.

Formula: the mean over training examples of ||∇ loss_i - mean gradient||², in all parameters, at the end of training.
Source: "gradient noise, final" in Jiang et al. 2020.
Cost: the gradients of at most 500 training examples, one by one.
Higher: noisier gradients, examples that are learnt one by one, so a larger expected gap.
"""

import torch
from gengap_measures import Dataset, flat, per_example_gradients, some
from torch import nn

NAME = "Gradient variance"
SOURCE = "Jiang et al. 2020"
TRACK = "standard"
COST = "m"

EXAMPLES = 500


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The trace of the gradients' covariance."""
    inputs, labels = some(dataset, EXAMPLES)
    total = torch.zeros_like(flat(model))
    squares = 0.0
    for gradient in per_example_gradients(model, inputs, labels):
        total += gradient
        squares += float(gradient.square().sum())
    return squares / len(labels) - float((total / len(labels)).square().sum())
