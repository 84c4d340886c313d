"""Measures of a network's outputs on its training data, and the references that look at nothing."""

import numpy as np
import torch
from scipy.optimize import brentq

from tests.baselines.transcriptions.plain import Array, Case, margins, outputs, softmax
from tests.baselines.transcriptions.registry import Transcription
from tests.baselines.transcriptions.size_and_norms import gamma

BINS = 1000


def inverse_squared_margin(case: Case) -> float:
    """Jiang et al. 2020, eq. 22."""
    return 1 / gamma(case) ** 2


def negative_entropy(case: Case) -> float:
    """Jiang et al. 2020, output measures: the mean of Σ p log p."""
    shares = softmax(outputs(case.network, case.inputs))
    return float(np.mean(np.sum(shares * np.log(shares), axis=1)))


def cross_entropy(case: Case) -> float:
    """The mean of -log p of the label."""
    shares = softmax(outputs(case.network, case.inputs))
    return float(-np.mean(np.log(shares[np.arange(len(shares)), case.labels.numpy()])))


def residuals(case: Case) -> tuple[Array, Array]:
    """Confidences f and [prediction is right] - f."""
    logits = outputs(case.network, case.inputs)
    confidence = softmax(logits).max(axis=1)
    return confidence, (margins(logits, case.labels) > 0) - confidence


def smooth_error(places: Array, weights: Array, width: float) -> float:
    """∫₀¹ |Σ w_i K(t, f_i)| dt for the Gaussian kernel that is reflected at 0 and 1, by the midpoint rule.

    Błasiok and Nakkiran 2023: smECE_σ with the reflected Gaussian kernel.
    """
    t = (np.arange(BINS) + 0.5) / BINS
    turns = 2 * np.arange(-int(4 * width) - 2, int(4 * width) + 3)
    images = np.concatenate([places + turn for turn in turns] + [turn - places for turn in turns])
    powers = np.exp(-(((t[:, None] - images) / width) ** 2) / 2) / (width * np.sqrt(2 * np.pi))
    return float(np.abs(powers @ np.tile(weights, 2 * len(turns))).mean())


def smooth_calibration_error(case: Case) -> float:
    """Błasiok and Nakkiran 2023, definition of smECE: the σ with smECE_σ = σ. Confidences fall into 1000 bins."""
    confidence, residual = residuals(case)
    place = np.minimum(np.floor(confidence * BINS), BINS - 1)
    occupied = np.unique(place)
    weights = np.array([residual[place == one].sum() for one in occupied]) / len(residual)
    if np.abs(weights).sum() < 1e-12:
        return 0.0
    places = (occupied + 0.5) / BINS
    return float(brentq(lambda width: smooth_error(places, weights, width) - width, 1e-4, 1.0, xtol=1e-13))


def random_number(case: Case) -> float:
    """A standard normal number in double precision."""
    return float(torch.normal(torch.zeros((), dtype=torch.float64), 1.0))


TRANSCRIPTIONS = {
    "Smooth calibration error": Transcription(
        smooth_calibration_error,
        "Błasiok and Nakkiran 2023, definition of smECE",
        "Of the predicted class's confidence, in bins of a thousandth.",
    ),
    "Inverse squared margin": Transcription(
        inverse_squared_margin, "Jiang et al. 2020, eq. 22", "γ is the margins' 10th percentile, at least 0.001."
    ),
    "Negative output entropy": Transcription(negative_entropy, "Jiang et al. 2020, output measures"),
    "Training cross-entropy": Transcription(cross_entropy, "Jiang et al. 2020, output measures"),
    "Constant": Transcription(lambda _case: 0.0, "none: a reference"),
    "Random number": Transcription(random_number, "none: a reference", "The same draw."),
}
