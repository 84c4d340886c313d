"""The loss that is left on the training data.

Formula: the mean cross-entropy of the logits over the training data, in nats.
Source: "cross-entropy" in Jiang et al. 2020.
Cost: one forward pass over the training data.
Higher: data that were harder to fit, so a larger expected gap. Networks that were all trained to one loss differ
little here.
"""

from gengap_measures import Dataset, logits, mean_loss
from torch import nn

NAME = "Training cross-entropy"
SOURCE = "Jiang et al. 2020"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The mean training loss."""
    return mean_loss(logits(model, dataset.inputs), dataset.labels)
