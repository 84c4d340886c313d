"""Correlation of values and target, on any grid: Kendall's τ, Spearman's ρ, Pearson's r.

`scoring.prepared` calls it. `rank_correlations` compares measures with each other. The module also owns `standardised`
and `binary_exponent`, with which `scoring.statistics.regression` handles numbers of any magnitude.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.errors import TooFewNetworksError
from scoring.grid import FloatArray, IntArray

BLOCK_ENTRIES = 2**18  # pairs at a time: two int32 matrices of 1 MiB, which stay in the processor's cache


@dataclass(frozen=True)
class KendallTau:
    """Kendall's τ in two versions.

    Attributes
    ----------
    tau_a : float
        Ties count 0.
    tau_b : float or None
        Corrected for ties; None if values or targets are all equal (0/0).
    standard_error_a : float or None
        Of tau_a, by delete-one jackknife; None for fewer than 3 networks.
    """

    tau_a: float
    tau_b: float | None
    standard_error_a: float | None

    @property
    def sign(self) -> int:
        """1 if larger values go with larger targets, −1 if with smaller, 0 if with neither."""
        return (self.tau_a > 0) - (self.tau_a < 0)


@dataclass(frozen=True)
class Correlations:
    """Correlations from −1 to 1, each None if values or targets are all equal (0/0).

    Attributes
    ----------
    spearman : float or None
        Spearman's ρ.
    pearson : float or None
        Pearson's r.
    """

    spearman: float | None
    pearson: float | None


def kendall_tau(values: FloatArray, targets: FloatArray) -> KendallTau:
    """Kendall's τ-a and τ-b between values and targets, and the standard error of τ-a.

    τ-a is the sum of sgn(μ_a − μ_b)·sgn(g_a − g_b) over ordered pairs a ≠ b, divided by n(n − 1); τ-b divides by the
    pairs untied in each (scipy's default). The standard error is that of the delete-one jackknife,
    SE² = (n − 1)/n · Σ(θ₋ᵢ − θ̄)² with θ₋ᵢ the τ-a without network i.

    Parameters
    ----------
    values, targets : ndarray of float64, shape (n,)
        The values and the targets, finite, n ≥ 2.

    Returns
    -------
    KendallTau
        τ-a with its standard error, and τ-b.

    Raises
    ------
    TooFewNetworksError
        If there are fewer than 2 networks.

    References
    ----------
    τ-a: Jiang et al. 2019, arXiv:1912.02178, section 2.2.1. τ-b: Kendall 1945, The treatment of ties in ranking
    problems, Biometrika 33.
    """
    n = len(values)
    if n < 2:
        raise TooFewNetworksError(f"there are {n} networks; a rank correlation needs at least 2")
    pairs = n * (n - 1) // 2
    balances = _balances(values, targets)
    balance = int(balances.sum()) // 2
    untied = math.sqrt((pairs - _tied_pairs(values)) * (pairs - _tied_pairs(targets)))
    return KendallTau(balance / pairs, balance / untied if untied else None, _standard_error(balances))


def correlations(values: FloatArray, targets: FloatArray) -> Correlations:
    """Spearman's ρ (Pearson's r of the ranks; ties share their average rank) and Pearson's r.

    Parameters
    ----------
    values, targets : ndarray of float64, shape (n,)
        The values and the targets, finite, of any magnitude: nothing overflows or underflows.

    Returns
    -------
    Correlations
        Both correlations.
    """
    return Correlations(_spearman(values, targets), _pearson(values, targets))


def rank_correlations(rows: FloatArray) -> FloatArray:
    """Spearman's ρ between every two rows; ties share their average rank.

    Parameters
    ----------
    rows : ndarray of float64, shape (m, n)
        The values of m measures on the same n networks, finite.

    Returns
    -------
    ndarray of float64, shape (m, m)
        Symmetric, from −1 to 1; nan in the row and the column of a measure whose values are all equal.
    """
    ranks = np.array([_centred_ranks(row) for row in rows], dtype=np.float64).reshape(rows.shape)
    lengths = np.sqrt(np.square(ranks).sum(axis=1, keepdims=True))
    units = np.divide(ranks, lengths, out=np.full(rows.shape, np.nan), where=lengths > 0)
    found: FloatArray = np.clip(units @ units.T, -1.0, 1.0)
    return found


def standardised(numbers: FloatArray) -> FloatArray | None:
    """The numbers less their mean, divided by the root of their sum of squares.

    Parameters
    ----------
    numbers : ndarray of float64, shape (n,)
        Finite, n ≥ 1, from subnormal to ±1.8e308.

    Returns
    -------
    ndarray of float64, shape (n,), or None
        None if all numbers are equal.
    """
    if numbers.min() == numbers.max():
        return None
    centred = np.ldexp(numbers, -binary_exponent(numbers))
    for _ in range(2):  # the second pass removes the rounding error of the first mean
        centred = centred - centred.mean()
    unit: FloatArray = centred / math.sqrt(float(centred @ centred))
    return unit


def binary_exponent(numbers: FloatArray) -> int:
    """The exponent e for which the largest magnitude is at least 2^(e−1) and less than 2^e.

    Scaled by 2^−e, the numbers can be added and squared without overflow, and only those 300 orders of magnitude
    smaller than the largest are rounded.

    Parameters
    ----------
    numbers : ndarray of float64, shape (n,)
        Finite, n ≥ 1.

    Returns
    -------
    int
        0 if all numbers are 0.
    """
    return int(np.frexp(np.abs(numbers).max())[1])


def _balances(values: FloatArray, targets: FloatArray) -> IntArray:
    """For each network, the number of concordant pairs less the number of discordant pairs that it is in.

    int64 of shape (n,). All pairs are compared, BLOCK_ENTRIES at a time.
    """
    v, g = _positions(values), _positions(targets)
    n = len(v)
    rows = max(1, BLOCK_ENTRIES // n)
    balances = np.empty(n, dtype=np.int64)
    # Reused for every block: allocating new memory each time would take longer than filling it.
    v_signs, g_signs = np.empty((2, min(rows, n), n), dtype=np.int32)
    for start in range(0, n, rows):
        block = slice(start, min(start + rows, n))
        size = block.stop - start
        signs = _signs(v, block, v_signs[:size]), _signs(g, block, g_signs[:size])
        balances[block] = np.einsum("ab,ab->a", *signs)
    return balances


def _signs(positions: NDArray[np.int32], block: slice, out: NDArray[np.int32]) -> NDArray[np.int32]:
    """The signs of the differences of a block of networks to all networks."""
    return np.sign(np.subtract(positions[block, None], positions, out=out), out=out)


def _standard_error(balances: IntArray) -> float | None:
    """The jackknife's standard error of τ-a, Σ balances / (n(n − 1)).

    Without network i, two balances i are missing from the sum over ordered pairs: θ₋ᵢ = (S − 2sᵢ)/((n − 1)(n − 2)),
    and their mean is τ-a itself.
    """
    n = len(balances)
    if n < 3:
        return None
    deviations = 2 * (balances - balances.sum() / n) / ((n - 1) * (n - 2))
    return math.sqrt((n - 1) / n * float(deviations @ deviations))


def _spearman(values: FloatArray, targets: FloatArray) -> float | None:
    v, g = _centred_ranks(values), _centred_ranks(targets)
    products = int(v @ v) * int(g @ g)
    return _within_bounds(int(v @ g) / math.sqrt(products)) if products else None


def _pearson(values: FloatArray, targets: FloatArray) -> float | None:
    v, g = standardised(values), standardised(targets)
    return None if v is None or g is None else _within_bounds(float(v @ g))


def _within_bounds(correlation: float) -> float:
    return min(1.0, max(-1.0, correlation))


def _centred_ranks(numbers: FloatArray) -> IntArray:
    """Twice the average rank, less twice the mean rank: whole numbers, so that all sums over them are exact."""
    _, positions, sizes = np.unique(numbers, return_inverse=True, return_counts=True)
    ranks: IntArray = (2 * np.cumsum(sizes) - sizes - len(numbers)).astype(np.int64)[positions]
    return ranks


def _positions(numbers: FloatArray) -> NDArray[np.int32]:
    return np.unique(numbers, return_inverse=True)[1].astype(np.int32)


def _tied_pairs(numbers: FloatArray) -> int:
    sizes = np.unique(numbers, return_counts=True)[1]
    return int(np.sum(sizes * (sizes - 1))) // 2
