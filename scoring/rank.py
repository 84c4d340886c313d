"""Rank correlation of values and target, whatever the grid: Kendall's τ. Called by `scoring.zoo_score`."""

import math
from dataclasses import dataclass

import numpy as np

from scoring.errors import TooFewNetworksError
from scoring.pairs import BLOCK_ENTRIES, FloatArray


@dataclass(frozen=True)
class KendallTau:
    """tau_a: ties count 0. tau_b: corrected for ties; None if values or targets are all equal (0/0)."""

    tau_a: float
    tau_b: float | None

    @property
    def sign(self) -> int:
        """1 if larger values go with larger targets, −1 if with smaller, 0 if with neither."""
        return (self.tau_a > 0) - (self.tau_a < 0)


def kendall_tau(values: FloatArray, targets: FloatArray) -> KendallTau:
    """Kendall's τ-a and τ-b between values and targets.

    values, targets: float64 of shape (n,), finite, n ≥ 2. τ-a is the sum of sgn(μ_a − μ_b)·sgn(g_a − g_b)
    over ordered pairs a ≠ b, divided by n(n − 1) (Jiang et al. 2019, section 2.2.1); τ-b divides by the pairs
    untied in each (Kendall 1945; scipy's default). Raises TooFewNetworksError.
    """
    n = len(values)
    if n < 2:
        raise TooFewNetworksError(f"there are {n} networks; a rank correlation needs at least 2")
    pairs = n * (n - 1) // 2
    balance = _concordant_minus_discordant(values, targets)
    untied = math.sqrt((pairs - _tied_pairs(values)) * (pairs - _tied_pairs(targets)))
    return KendallTau(balance / pairs, balance / untied if untied else None)


def _concordant_minus_discordant(values: FloatArray, targets: FloatArray) -> int:
    """Over unordered pairs: each untied one is counted in the order in which its value is the larger."""
    balance = 0
    rows = max(1, BLOCK_ENTRIES // len(values))
    for start in range(0, len(values), rows):
        block = slice(start, start + rows)
        ahead = values[block, None] > values
        balance += int(np.count_nonzero(ahead & (targets[block, None] > targets)))
        balance -= int(np.count_nonzero(ahead & (targets[block, None] < targets)))
    return balance


def _tied_pairs(numbers: FloatArray) -> int:
    sizes = np.unique(numbers, return_counts=True)[1]
    return int(np.sum(sizes * (sizes - 1))) // 2
