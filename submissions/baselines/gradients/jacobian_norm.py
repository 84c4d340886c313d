"""The Jacobian measure of the competition's starting kit: how strongly a label's logit depends on the activations.

Formula: the mean over training examples of sqrt(sum over the input and the hidden layers h of ||∂ z_y / ∂
h||²), z_y the logit of the example's label.
Source: Jiang et al. 2020, starting kit of the NeurIPS competition "Predicting Generalization in Deep Learning"
(Jacobian norm with respect to activations), after Novak et al. 2018, "Sensitivity and Generalization in Neural
Networks".
Cost: a forward and a backward pass over at most 1000 training examples.
Higher: a more sensitive network, so a larger expected gap.
"""

import torch
from gengap_measures import Dataset, label_logit_gradients, some
from torch import nn

NAME = "Jacobian norm"
SOURCE = "PGDL starting kit 2020"
TRACK = "standard"
COST = "s"

EXAMPLES = 1000


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The mean norm."""
    squares = label_logit_gradients(model, *some(dataset, EXAMPLES))
    return float(torch.sqrt(squares.sum(dim=1)).mean())
