"""How far training moved the layers' weights, each measured by its largest change of any input.

Formula: sum over weight layers of ||W - W0||_2², the spectral norm of the weight matrix, or of the reshaped
(out, in · h · w) kernel of a convolution.
Source: "distance of spectral from init" in Jiang et al. 2020, eq. 41.
Cost: a singular value decomposition of each weight; the data are not looked at. Needs the initial weights.
Higher: training had to go farther to fit the data, so a larger expected gap.
"""

import torch
from gengap_measures import Dataset, weight_pairs
from torch import nn

NAME = "Spectral distance from initialization"
SOURCE = "Jiang et al. 2020"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The sum of squared spectral distances. Raises ValueError without initial weights."""
    moves = [(pair.final - pair.initial).flatten(1) for pair in weight_pairs(model)]
    return float(sum(torch.linalg.matrix_norm(move, 2) ** 2 for move in moves))
