"""The squared norm of the weights.

Formula: sum over weight matrices and convolution kernels W of ||W||², Frobenius norm. Biases and batch norm's
own parameters are left out: the bounds behind the measure speak of the layers' weights.
Source: "parameter norm" in Jiang et al. 2020, after Neyshabur et al. 2015, "Norm-Based Capacity Control in
Neural Networks".
Cost: one pass over the weights; the data are not looked at.
Higher: larger weights, so a larger class of functions within reach and a larger expected gap.
"""

from gengap_measures import Dataset, weight_layers
from torch import nn

NAME = "Squared norm"
SOURCE = "Jiang et al. 2020"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The sum of squared weights, in double precision."""
    return float(sum(layer.weight.detach().double().square().sum() for layer in weight_layers(model)))
