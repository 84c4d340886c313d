"""How many directions the layers use: their stable ranks added up.

Formula: sum over weight layers of ||W||_F² / ||W||_2², with batch norm folded into the layer before it. For a
convolution both are those of the reshaped (out, in · h · w) kernel, so that the ratio lies between 1 and its rank.
Source: "Frobenius over spectral norm" in Jiang et al. 2020, eq. 33, after Neyshabur et al. 2018, "A PAC-Bayesian
Approach to Spectrally-Normalized Margin Bounds".
Cost: a singular value decomposition of each weight; the data are not looked at.
Higher: weights of higher rank, so a larger expected gap.
"""

import torch
from gengap_measures import Dataset, weight_layers, with_batch_norm_folded
from torch import nn

NAME = "Frobenius over spectral norms"
SOURCE = "Jiang et al. 2020"
TRACK = "standard"
COST = "s"


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The sum of stable ranks."""
    matrices = [layer.weight.detach().double().flatten(1) for layer in weight_layers(with_batch_norm_folded(model))]
    return sum(float(matrix.norm() / torch.linalg.matrix_norm(matrix, 2)) ** 2 for matrix in matrices)
