"""Tests whether an order of the networks reveals something hidden: an axis, a target, or the order of the grid.

A random order is correlated with nothing. The tests ask how probable the observed relation would be by chance.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # loads scipy.stats, which takes a second, only where it is used
from numpy.typing import NDArray

from model_zoo.manifest import ZooTruth

DOUBTFUL = 1e-3  # the probability that chance does as well, for all questions together
CERTAIN = 1e-6
_SHUFFLES = 500
_STANDARD_DEVIATIONS = 6.0  # a normal deviate beyond it: less than CERTAIN
_LEAST_NETWORKS = 8


@dataclass(frozen=True)
class Leak:
    """What an order reveals.

    Attributes
    ----------
    text : str
    certain : bool
        Whether the probability by chance is below one in a million.
    """

    text: str
    certain: bool


def leak_in_order(order: Sequence[str], truth: ZooTruth, targets: Mapping[str, Mapping[str, float]]) -> Leak | None:
    """Find the clearest thing that an order of networks reveals.

    The tests are Kendall's tau with each axis and target (Bonferroni-corrected), whether the order follows the grid,
    and whether neighbours share more hyperparameters than in random orders.

    Parameters
    ----------
    order : sequence of str
        Network ids.
    truth : ZooTruth
    targets : mapping
        Target name to a mapping of network id to value.

    Returns
    -------
    Leak or None
        None if nothing was found, or for fewer than 8 networks.
    """
    if len(order) < _LEAST_NETWORKS:
        return None
    places = _places(order, truth)
    if _runs_through(places):
        return Leak("it runs through the grid of hyperparameters", certain=True)
    if (leak := _correlation("it is correlated with", range(len(order)), order, truth, targets)) is not None:
        return leak
    if _neighbours_are_alike(places):
        return Leak("neighbours in it share more hyperparameters than by chance", certain=True)
    return None


def leak_in_times(times: Mapping[str, int], truth: ZooTruth, targets: Mapping[str, Mapping[str, float]]) -> Leak | None:
    """Find what the files' modification times reveal; times that are all equal, as they should be, reveal nothing.

    Parameters
    ----------
    times : mapping
        Network id to time in ns.
    truth : ZooTruth
    targets : mapping
        As in `leak_in_order`.
    """
    different = len(set(times.values()))
    if different == 1:
        return None
    if different == len(times):
        return leak_in_order(sorted(times, key=lambda identifier: times[identifier]), truth, targets)
    return _correlation("they are correlated with", list(times.values()), list(times), truth, targets)


def _correlation(
    says: str,
    numbers: Sequence[float],
    ids: Sequence[str],
    truth: ZooTruth,
    targets: Mapping[str, Mapping[str, float]],
) -> Leak | None:
    """Find the axis or target with which one number for each of the networks `ids` is most clearly correlated."""
    places = _places(ids, truth)
    series = {axis.name: places[:, column].tolist() for column, axis in enumerate(truth.axes)}
    series |= {name: [of[identifier] for identifier in ids] for name, of in targets.items()}
    p_value, clearest = min((_p_value(numbers, hidden), name) for name, hidden in series.items())
    likely = p_value * len(series)
    return Leak(f"{says} {clearest}", certain=likely < CERTAIN) if likely < DOUBTFUL else None


def _p_value(first: Sequence[float], second: Sequence[float]) -> float:
    """Compute the two-sided p-value of Kendall's test (normal approximation); 1 where a series is constant."""
    if len(first) < 3:
        return 1.0
    found = float(scipy.stats.kendalltau(first, second, method="asymptotic").pvalue)
    return 1.0 if math.isnan(found) else found


def _places(order: Sequence[str], truth: ZooTruth) -> NDArray[np.int64]:
    rows = [
        [axis.values.index(truth.networks[identifier].hyperparameters[axis.name]) for axis in truth.axes]
        for identifier in order
    ]
    return np.array(rows, dtype=np.int64).reshape(len(order), len(truth.axes))


def _runs_through(places: NDArray[np.int64]) -> bool:
    """Whether the rows are sorted, as in a loop over the axes in which the first or the last varies fastest."""
    rows = [tuple(row) for row in places.tolist()]
    backwards = [tuple(reversed(row)) for row in rows]
    return any(
        listed in (sorted(listed), sorted(listed, reverse=True)) and len(set(listed)) > 1
        for listed in (rows, backwards)
    )


def _neighbours_are_alike(places: NDArray[np.int64]) -> bool:
    orders = np.random.default_rng(0).permuted(np.tile(np.arange(len(places)), (_SHUFFLES, 1)), axis=1)
    shuffled = _changes(places[orders])
    deviation = float(shuffled.std())
    found = float(_changes(places[None])[0])
    return deviation > 0 and float(shuffled.mean()) - found > _STANDARD_DEVIATIONS * deviation


def _changes(orders: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the hyperparameters that differ between neighbours, in each of the orders (orders, networks, axes)."""
    changes: NDArray[np.int64] = np.count_nonzero(orders[:, 1:] != orders[:, :-1], axis=(1, 2))
    return changes
