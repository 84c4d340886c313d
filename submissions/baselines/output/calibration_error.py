"""How far confidence and accuracy lie apart on the training data, smoothed over confidence.

Formula: smECE: with the residual r = [prediction is right] - confidence, smoothed along the confidence by a
Gaussian kernel of width σ that is reflected at 0 and 1, the integral over confidence of |sum of r K_σ| / n, at
the σ at which the integral equals σ.
Source: Błasiok and Nakkiran 2023, "Smooth ECE: Principled Reliability Diagrams via Kernel Smoothing"; as a
predictor of generalization Jiang, Nagarajan, Baek and Kolter 2022, "Assessing Generalization of SGD via
Disagreement", use its kin.
Cost: one forward pass over the training data.
Higher: a network whose confidence says less, so a larger expected gap.
"""

import math

import torch
from gengap_measures import Dataset, logits
from torch import Tensor, nn

NAME = "Smooth calibration error"
SOURCE = "Błasiok and Nakkiran 2023"
TRACK = "standard"
COST = "s"

BINS = 1000
STEPS = 40  # halvings of [0, 1]: exact to 1e-12


def complexity(model: nn.Module, dataset: Dataset) -> float:
    """The smooth calibration error, between 0 and 1."""
    confidence, predicted = logits(model, dataset.inputs).softmax(dim=1).max(dim=1)
    residual = (predicted == dataset.labels).double() - confidence
    return smooth_calibration_error(confidence, residual)


def smooth_calibration_error(confidence: Tensor, residual: Tensor) -> float:
    """The fixed point σ = smECE_σ, by bisection: smECE_σ falls as σ grows. Both (n,), float64."""
    bins = (confidence * BINS).long().clamp(0, BINS - 1)
    mass = torch.zeros(BINS, dtype=torch.float64).index_add(0, bins, residual) / len(residual)
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if smoothed_error(mass, middle) > middle else (low, middle)
    return (low + high) / 2


def smoothed_error(mass: Tensor, width: float) -> float:
    """The integral of |mass smoothed by a reflected Gaussian of `width`|. mass: (BINS,) over confidences 0 to 1.

    In the cosine basis reflection at both ends costs nothing, and each frequency is damped by itself.
    """
    mirrored = torch.cat([mass, mass.flip(0)])
    frequencies = torch.fft.rfftfreq(len(mirrored), d=1 / BINS, dtype=torch.float64)  # cycles per unit of confidence
    damping = torch.exp(-2 * (math.pi * width * frequencies) ** 2)
    smooth = torch.fft.irfft(torch.fft.rfft(mirrored) * damping, n=len(mirrored))
    return float(smooth[:BINS].abs().sum())
