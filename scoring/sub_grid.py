"""A part of a zoo that can be scored by itself: fewer values of each axis, all combinations of those.

`gengap evaluate --networks` takes it, so that a measure under development is tried in seconds.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scoring.errors import GridError
from scoring.grid import Axis, Grid
from scoring.truth import Truth

FEWEST = 4  # two values on each of two axes


def sub_grid(truth: Truth, networks: int) -> Truth:
    """The truth of a complete part of the grid, the same one each time.

    Axes take turns in getting one more value, the axis with the fewest first, as long as the grid stays small enough.
    An axis keeps values from its whole range; an axis that keeps a single value is left out.

    Parameters
    ----------
    truth : Truth
        Of the whole zoo.
    networks : int
        The most networks that the part may have, at least 4.

    Returns
    -------
    Truth
        Of at most `networks` networks; `truth` itself if it has no more.

    Raises
    ------
    GridError
        If the whole grid cannot be scored, or if fewer than 4 networks are wanted.
    """
    truth.grid.require_scorable()
    if networks >= len(truth.ids):
        return truth
    if networks < FEWEST:
        raise GridError(f"a part of {networks} networks cannot be scored; take {FEWEST} or more")
    kept = [
        _spread(size, count) for size, count in zip(truth.grid.shape, _sizes(truth.grid.shape, networks), strict=True)
    ]
    coordinates = truth.grid.coordinates
    chosen = np.all([np.isin(coordinates[:, axis], values) for axis, values in enumerate(kept)], axis=0)
    varied = [axis for axis, values in enumerate(kept) if len(values) > 1]
    places = np.stack([np.searchsorted(kept[axis], coordinates[chosen, axis]) for axis in varied], axis=1)
    axes = tuple(
        Axis(truth.grid.axes[axis].name, tuple(truth.grid.axes[axis].values[value] for value in kept[axis]))
        for axis in varied
    )
    ids = tuple(network for network, is_chosen in zip(truth.ids, chosen, strict=True) if is_chosen)
    return replace(
        truth,
        grid=Grid(axes, ids, places),
        targets=truth.targets[chosen],
        metrics={network: metrics for network, metrics in truth.metrics.items() if network in set(ids)},
    )


def _sizes(shape: Sequence[int], networks: int) -> list[int]:
    sizes = [1] * len(shape)
    while True:
        total = math.prod(sizes)
        growing = [
            axis
            for axis, (size, largest) in enumerate(zip(sizes, shape, strict=True))
            if size < largest and total // size * (size + 1) <= networks
        ]
        if not growing:
            return sizes
        sizes[min(growing, key=lambda axis: (sizes[axis], axis))] += 1


def _spread(size: int, count: int) -> list[int]:
    if count == 1:
        return [size // 2]
    return [index * (size - 1) // (count - 1) for index in range(count)]
