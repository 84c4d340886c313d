"""The number of parameters: the oldest guess at capacity, and a reference every other measure should beat.

Formula: the number of weights, biases and batch-norm scales and shifts of the network.
Source: the reference in Jiang et al. 2020, "Fantastic Generalization Measures and Where to Find Them".
Cost: none; neither the data nor the values of the weights are looked at.
Higher: more parameters, so more capacity to fit noise and a larger expected gap.
"""

from gengap_measures import Dataset
from torch import nn

NAME = "Parameter count"
SOURCE = "Jiang et al. 2020"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The number of trainable parameters."""
    return float(sum(parameter.numel() for parameter in model.parameters()))
