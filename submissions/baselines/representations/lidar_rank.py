"""LiDAR: in how many directions the penultimate layer tells images apart from their augmented versions.

Formula: minus exp of the entropy of the eigenvalues, normalised to sum 1, of Σ_w^(-1/2) Σ_b Σ_w^(-1/2): Σ_b is the
covariance of the images' mean features, Σ_w + δI the mean covariance of one image's six versions (as it is, flipped,
cropped, brightened, saturated, erased), δ = 1e-4.
Source: Thilak et al. 2024, "LiDAR: Sensing Linear Probing Performance in Joint Embedding SSL Architectures".
Cost: six forward passes over at most 500 training examples.
Higher: a smaller rank, a poorer representation, so a larger expected gap.
"""

import torch
from gengap_measures import Dataset, brightened, cropped, erased, flipped, penultimate, saturated, some
from torch import nn

NAME = "LiDAR rank"
SOURCE = "Thilak et al. 2024"
TRACK = "standard"
COST = "s"

EXAMPLES = 500
AUGMENTATIONS = (flipped, cropped, brightened, saturated, erased)
DELTA = 1e-4


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """Minus the effective rank, between minus the number of penultimate features and -1."""
    inputs, _ = some(dataset, EXAMPLES)
    versions = [inputs, *(augment(inputs) for augment in AUGMENTATIONS)]
    features = torch.stack([penultimate(model, version) for version in versions])  # (versions, n, d)
    centers = features.mean(dim=0)
    residuals = (features - centers).flatten(0, 1)
    between = centers - centers.mean(dim=0)
    covariance_within = residuals.T @ residuals / len(residuals) + DELTA * torch.eye(centers.shape[1])
    covariance_between = between.T @ between / len(between)
    # L⁻¹ Σ_b L⁻ᵀ for Σ_w = L Lᵀ has the same eigenvalues as with the symmetric root.
    root = torch.linalg.cholesky(covariance_within)
    half = torch.linalg.solve_triangular(root, covariance_between, upper=False)
    whitened = torch.linalg.solve_triangular(root, half.T, upper=False)
    eigenvalues = torch.linalg.eigvalsh(whitened).clamp(min=0) + 1e-12
    shares = eigenvalues / eigenvalues.sum()
    return -float(torch.exp(-(shares * shares.log()).sum()))
