"""How many test examples there were, from accuracies alone: they are whole numbers of examples. `assemble` calls it."""

from collections.abc import Iterable

import numpy as np

_MOST = 1_000_000
_FEWEST_ACCURACIES = 3
_CHANCE = 0.01
_ROUNDING = 6e-8  # of a float32 just below 1, in which the accuracies were computed


def inferred_test_size(accuracies: Iterable[float]) -> int | None:
    """The least number n of examples for which every accuracy is a share k/n as float32 tells it, or None.

    None also for fewer than three different accuracies, and where these few might be shares of it by chance.
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
