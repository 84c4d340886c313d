"""Least squares: how much of the target a measure explains, and how much beyond the hyperparameters.

This module owns the additive model of the axes, which is also the reference row "hyperparameter oracle".
`scoring.prepared` calls it. Everything here requires a complete grid: the axes are then orthogonal, and their additive
model is fitted by subtracting means, without any matrix.
"""

import math
from dataclasses import dataclass

import numpy as np

from scoring.grid import FloatArray, Grid
from scoring.statistics.rank import binary_exponent, standardised

SPREAD_ROUNDING = 1e-9  # of the values' standard deviation: smaller residuals are rounding errors,
LARGEST_ROUNDING = 2.0**-50  # and so are those up to this fraction of the largest value
LEAST_FREEDOM = 1e-9  # of a network: 1 − its hat value


@dataclass(frozen=True)
class Regression:
    """How well the target is fitted by the values, by the hyperparameters, and by both.

    All but `mae` are None for a constant target.

    Attributes
    ----------
    r2 : float or None
        Of the affine fit g ~ μ, from 0 to 1; 0 for constant values.
    adjusted_r2 : float or None
        1 − (1 − r2)(n − 1)/(n − 2); None for fewer than 3 networks; 0 for constant values.
    hyperparameters_r2 : float or None
        Of the additive model of the axes, leaving out each network in turn: at most 1, and below 0 where the mean of
        the other networks predicts better. None if a network alone determines a coefficient of the model.
    delta_r2 : float or None
        What the measure adds to `hyperparameters_r2`, also by leave-one-out. Negative if it misleads; 0 if the values
        are themselves additive in the axes. None if a network alone determines a coefficient.
    mae : float or None
        The mean of |μ − g|; None if it exceeds float64.
    """

    r2: float | None
    adjusted_r2: float | None
    hyperparameters_r2: float | None
    delta_r2: float | None
    mae: float | None


def regression(values: FloatArray, targets: FloatArray, grid: Grid) -> Regression:
    """Least squares of the targets on the values and on the hyperparameters.

    For a model M,

        R²_loo(M) = 1 − Σ (g_i − ĝ₋ᵢ)² / Σ (g_i − ḡ₋ᵢ)²

    where ĝ₋ᵢ is M's prediction for network i when fitted to the others, and ḡ₋ᵢ the mean of the others. With A the
    additive model of the axes (an intercept and an effect for each value of each axis), hyperparameters_r2 is
    R²_loo(A) and delta_r2 is R²_loo(A + μ) − R²_loo(A). Nothing is refitted: g_i − ĝ₋ᵢ is the residual over 1 − the
    hat value. Values count as additive if their residual from A is, in root mean square, at most 1e-9 of their
    standard deviation plus 2⁻⁵⁰ of the largest magnitude; a hat value within 1e-9 of 1 counts as 1. The MAE is
    meaningful only for a measure that estimates the target itself.

    Parameters
    ----------
    values, targets : ndarray of float64, shape (n,)
        The values and the targets, finite, of any magnitude.
    grid : Grid
        The hyperparameters of the n networks, complete.

    Returns
    -------
    Regression
        The coefficients of determination and the MAE.

    Raises
    ------
    GridError
        If the grid is incomplete, or has fewer than two axes.

    References
    ----------
    Allen 1974, The Relationship Between Variable Selection and Data Augmentation and a Method for Prediction,
    Technometrics 16.
    """
    grid.require_scorable()
    mae = _mean_absolute_difference(values, targets)
    g = standardised(targets)
    if g is None:
        return Regression(None, None, None, None, mae)
    v, n = standardised(values), len(values)
    r2 = 0.0 if v is None else min(1.0, float(v @ g) ** 2)
    adjusted_r2 = None if n < 3 else 0.0 if v is None else 1 - (1 - r2) * (n - 1) / (n - 2)
    hyperparameters_r2, delta_r2 = _left_out(values, g, grid)
    return Regression(r2, adjusted_r2, hyperparameters_r2, delta_r2, mae)


def additive_fit(targets: FloatArray, grid: Grid) -> FloatArray:
    """The fitted values of the additive model of the axes: least squares with an intercept.

    A network's fitted value is the mean of all targets plus, for each axis, the difference between the mean over the
    networks with its value on that axis and the mean of all. A sum beyond float64 becomes the largest float64.

    Parameters
    ----------
    targets : ndarray of float64, shape (n,)
        The targets, finite.
    grid : Grid
        The hyperparameters of the n networks, complete.

    Returns
    -------
    ndarray of float64, shape (n,)
        The fitted values.

    Raises
    ------
    GridError
        If the grid is incomplete, or has fewer than two axes.
    """
    grid.require_scorable()
    exponent = binary_exponent(targets)
    scaled = np.ldexp(targets, -exponent)
    with np.errstate(over="ignore"):
        fitted = np.ldexp(scaled - _without_axes(scaled, grid), exponent)
    largest = np.finfo(np.float64).max
    return np.clip(fitted, -largest, largest)


def _left_out(values: FloatArray, g: FloatArray, grid: Grid) -> tuple[float | None, float | None]:
    """hyperparameters_r2 and delta_r2 for a standardised target g."""
    n = len(g)
    coefficients = 1 + sum(k - 1 for k in grid.shape)
    if coefficients == n:
        return None, None
    freedom = 1 - coefficients / n  # the same for every network of a complete grid
    total = (n / (n - 1)) ** 2  # Σ (g_i − ḡ₋ᵢ)² where Σ g_i is 0 and Σ g_i² is 1
    residual = _without_axes(g, grid)
    unexplained = _sum_of_squares(residual / freedom) / total
    direction = _beyond_axes(values, grid)
    if direction is None:
        return 1 - unexplained, 0.0
    # Frisch, Waugh and Lovell: the residual of the values from the axes enters the model as one orthogonal term.
    freedom_of_each = freedom - direction**2
    if freedom_of_each.min() <= LEAST_FREEDOM:
        return 1 - unexplained, None
    remaining = residual - direction * float(direction @ residual)
    return 1 - unexplained, unexplained - _sum_of_squares(remaining / freedom_of_each) / total


def _beyond_axes(values: FloatArray, grid: Grid) -> FloatArray | None:
    """The residual of the values from the additive model, of norm 1; None for values additive but for rounding."""
    scaled = np.ldexp(values, -binary_exponent(values))
    residual = _without_axes(scaled, grid)
    norm = math.sqrt(_sum_of_squares(residual))
    spread = math.sqrt(_sum_of_squares(scaled - scaled.mean()))
    largest = float(np.abs(scaled).max()) * math.sqrt(len(values))
    return None if norm <= SPREAD_ROUNDING * spread + LARGEST_ROUNDING * largest else residual / norm


def _without_axes(numbers: FloatArray, grid: Grid) -> FloatArray:
    """The residuals of the additive model: the mean over each value of each axis becomes 0."""
    for _ in range(2):  # the second pass removes the rounding error of the first means
        for axis, k in enumerate(grid.shape):
            at_value = grid.coordinates[:, axis]
            means = np.bincount(at_value, weights=numbers, minlength=k) * (k / len(numbers))
            numbers = numbers - means[at_value]
    return numbers


def _mean_absolute_difference(values: FloatArray, targets: FloatArray) -> float | None:
    exponent = max(binary_exponent(values), binary_exponent(targets))
    mean = float(np.abs(np.ldexp(values, -exponent) - np.ldexp(targets, -exponent)).mean())
    try:
        return math.ldexp(mean, exponent)
    except OverflowError:
        return None


def _sum_of_squares(numbers: FloatArray) -> float:
    return float(numbers @ numbers)
