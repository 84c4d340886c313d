"""How confident the network is about its training data.

Formula: the mean over training examples of the sum over classes of p log p, p the softmax of the logits: minus the
output's entropy, in nats.
Source: "negative entropy" in Jiang et al. 2020, after Pereyra et al. 2017, "Regularizing Neural Networks by Penalizing
Confident Output Distributions".
Cost: one forward pass over the training data.
Higher: closer to certainty, which is what overfitting looks like, so a larger expected gap.
"""

from gengap_measures import Dataset, logits
from torch import nn

NAME = "Negative output entropy"
SOURCE = "Pereyra et al. 2017"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """Minus the mean entropy of the predicted distributions, between -log(classes) and 0."""
    log_p = logits(model, dataset.inputs).log_softmax(dim=1)
    return float((log_p.exp() * log_p).sum(dim=1).mean())
