"""The path norm over the squared margin.

Formula: (sum over logits of f at an input of ones, with every parameter squared) / γ²; batch norm is folded into the
layer before it, and γ is the 10th percentile of the output margin over the training data (at least 0.001).
Source: "path norm over margin" in Jiang et al. 2020, eq. 43, after Neyshabur, Tomioka and Srebro 2015, "Norm-Based
Capacity Control in Neural Networks".
Cost: one forward pass over the training data.
Higher: larger weights along the paths for the margin there is, so a larger expected gap.
"""

from gengap_measures import Dataset, path_norm, training_margin
from torch import nn

NAME = "Path norm over margin"
SOURCE = "Jiang et al. 2020"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The path norm over γ². Raises ValueError for layers in which a path has no product of weights."""
    return path_norm(model, dataset.inputs) / training_margin(model, dataset) ** 2
