"""Infers the number of test examples from accuracies, which are fractions of whole numbers of examples."""

from collections.abc import Iterable

import numpy as np

_MOST = 1_000_000
_FEWEST_ACCURACIES = 3
_CHANCE = 0.01
_ROUNDING = 6e-8  # of a float32 just below 1, in which the accuracies were computed


def inferred_test_size(accuracies: Iterable[float]) -> int | None:
    """Find the least number of examples n for which every accuracy is a fraction k/n to float32's precision.

    Parameters
    ----------
    accuracies : iterable of float
        Of all networks, from 0 to 1.

    Returns
    -------
    int or None
        None if there is none, for fewer than three different accuracies, and where the accuracies could be fractions of
        n by chance.
    """
    different = sorted(set(accuracies))
    if len(different) < _FEWEST_ACCURACIES:
        return None
    sizes = np.arange(1, _MOST + 1, dtype=np.float64)
    for accuracy in different:
        counts = sizes * accuracy
        sizes = sizes[np.abs(counts - np.round(counts)) <= sizes * _ROUNDING]
    if not sizes.size:
        return None
    by_chance = sizes[0] * (2 * sizes[0] * _ROUNDING) ** len(different)
    return int(sizes[0]) if by_chance < _CHANCE else None
