"""How far training moved the weights from where they started.

Formula: the square root of the sum of ||W - W0||², Frobenius norm, over weight matrices and convolution
kernels W with the initial values W0. Biases and batch norm's own parameters are left out.
Source: Nagarajan and Kolter 2019, "Generalization in Deep Networks: The Role of Distance from
Initialization"; "Frobenius distance" in Jiang et al. 2020.
Cost: one pass over the weights; the data are not looked at. Needs the initial weights.
Higher: training had to go farther to fit the data, so a larger expected gap.
"""

import math

from torch import nn
from torch.utils.data import TensorDataset

NAME = "Distance from initialization"
SOURCE = "Nagarajan and Kolter 2019"
TRACK = "standard"


def complexity(model: nn.Module, dataset: TensorDataset) -> float:
    """The Frobenius distance between final and initial weights. Raises ValueError without initial weights."""
    initial = getattr(model, "initial", None)
    if not isinstance(initial, nn.Module):
        raise ValueError("this zoo has no initial weights (model.initial is None), so there is no distance")
    squared = 0.0
    for final, start in zip(model.parameters(), initial.parameters(), strict=True):
        if final.dim() >= 2:
            squared += float((final.detach().double() - start.detach().double()).square().sum())
    return math.sqrt(squared)
