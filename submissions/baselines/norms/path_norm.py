"""The path norm: the squared weights along every path from an input to an output, multiplied and added up.

Formula: the sum over logits of f at an input of ones, with every parameter squared; batch norm is folded into the layer
before it.
Source: "path norm" in Jiang et al. 2020, eq. 44, after Neyshabur, Tomioka and Srebro 2015, "Norm-Based Capacity Control
in Neural Networks".
Cost: one forward pass of one input.
Higher: a larger class of functions within reach, so a larger expected gap. Unlike products of layers' norms it does not
change when a ReLU unit's weights are scaled up before it and down after it.
"""

from gengap_measures import Dataset, path_norm
from torch import nn

NAME = "Path norm"
SOURCE = "Neyshabur et al. 2015"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The path norm. Raises ValueError for layers in which a path has no product of weights, such as attention."""
    return path_norm(model, dataset.inputs)
