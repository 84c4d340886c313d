"""How strongly the network's own predictions depend on its weights.

Formula: the mean over training examples of ||∇_θ log p(ŷ | x)||², the labels ŷ drawn from the network's own softmax: an
unbiased estimate of the trace of the Fisher information.
Source: Jastrzębski et al. 2021, "Catastrophic Fisher Explosion: Early Phase Fisher Matrix Impacts Generalization".
Cost: the gradients of at most 500 training examples, one by one.
Higher: a sharper minimum, so a larger expected gap.
"""

import torch
from gengap_measures import Dataset, logits, per_example_gradients, some
from torch import nn

NAME = "Fisher trace"
SOURCE = "Jastrzębski et al. 2021"
TRACK = "standard"
COST = "m"

EXAMPLES = 500


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The estimated trace."""
    inputs, _ = some(dataset, EXAMPLES)
    cumulated = logits(model, inputs).softmax(dim=1).cumsum(dim=1)
    drawn = torch.searchsorted(cumulated, torch.rand(len(inputs), 1).double())[:, 0].clamp(max=cumulated.shape[1] - 1)
    return sum(float(gradient.square().sum()) for gradient in per_example_gradients(model, inputs, drawn)) / len(drawn)
