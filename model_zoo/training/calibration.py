"""The smooth expected calibration error (smooth ECE), a calibration error without bins."""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct, idct

_GRID = 2**13
_PRECISION = 1e-7


def smooth_ece(confidences: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """Compute the smooth expected calibration error [1]_.

    smECE_s = ∫ |mean_i (correct_i - confidence_i) K_s(confidence_i, t)| dt over [0, 1], with the Gaussian kernel of
    standard deviation s reflected at 0 and 1. It falls as s grows; the result is the s at which smECE_s = s.

    Parameters
    ----------
    confidences : ndarray
        (n,), in [0, 1].
    correct : ndarray of bool
        (n,).

    Returns
    -------
    float
        From 0, perfect calibration, to 1; nan if a confidence is not finite.

    References ---------- .. [1] Błasiok and Nakkiran, "Smooth ECE: Principled Reliability Diagrams via Kernel
    Smoothing", 2023, definition 2 and
       section 3.
    """
    if not np.isfinite(confidences).all():
        return float("nan")
    cells = np.minimum((confidences * _GRID).astype(np.int64), _GRID - 1)
    residuals = np.bincount(cells, weights=correct - confidences, minlength=_GRID) / len(confidences)
    # The reflected kernel is the heat kernel of [0, 1], whose eigenfunctions are the cosines: smoothing multiplies the
    # coefficients of the cosine transform.
    coefficients = dct(residuals)
    rates = (np.pi * np.arange(_GRID)) ** 2 / 2
    low, high = 0.0, 1.0
    while high - low > _PRECISION:
        width = (low + high) / 2
        error = float(np.abs(idct(coefficients * np.exp(-rates * width**2))).sum())
        low, high = (width, high) if error > width else (low, width)
    return (low + high) / 2
