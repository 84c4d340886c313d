"""Kendall's tau-b and its test of no association, in numpy alone. `gaps` and `order` call it.

scipy.stats has both (the tests compare), but its import would double the time that `gengap zoo` takes to start.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


def tau_b(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Kendall's tau-b of two series of length n; None where one of them is constant. Takes n² steps."""
    concordant, pairs = _concordance(first, second), len(first) * (len(first) - 1) // 2
    untied = [pairs - int((ties * (ties - 1) // 2).sum()) for ties in (_ties(first), _ties(second))]
    return None if 0 in untied else concordant / math.sqrt(untied[0] * untied[1])


def chance(first: Sequence[float], second: Sequence[float]) -> float:
    """The probability, under no association, of a tau as far from 0: two-sided, normal approximation with ties.

    1 where a series is constant. Kendall 1970, Rank Correlation Methods, 4.4.
    """
    n = len(first)
    ties = [_ties(first), _ties(second)]
    if any(len(of) < 2 for of in ties) or n < 3:
        return 1.0
    cubes = [int((of * (of - 1) * (2 * of + 5)).sum()) for of in ties]
    triples = [int((of * (of - 1) * (of - 2)).sum()) for of in ties]
    pairs = [int((of * (of - 1)).sum()) for of in ties]
    variance = (
        (n * (n - 1) * (2 * n + 5) - cubes[0] - cubes[1]) / 18
        + triples[0] * triples[1] / (9 * n * (n - 1) * (n - 2))
        + pairs[0] * pairs[1] / (2 * n * (n - 1))
    )
    return math.erfc(abs(_concordance(first, second)) / math.sqrt(2 * variance))


def _concordance(first: Sequence[float], second: Sequence[float]) -> int:
    """Pairs in the same order minus pairs in opposite orders."""
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    return sum(
        int((np.sign(one[:index] - one[index]) * np.sign(other[:index] - other[index])).sum())
        for index in range(1, len(one))
    )


def _ties(series: Sequence[float]) -> Counts:
    """How often each value occurs."""
    counts: Counts = np.unique(np.asarray(series, np.float64), return_counts=True)[1].astype(np.int64)
    return counts
