"""The same zoo listed otherwise: networks, axes and the values of each axis in another order."""

import numpy as np

from scoring.grid import Axis, FloatArray, Grid
from tests.scoring.grids import Zoo


def arrays(zoo: Zoo) -> tuple[FloatArray, FloatArray, Grid]:
    """Values, targets and grid, as the metrics take them."""
    return np.array(zoo.values), np.array(zoo.targets), zoo.truth().grid


def shuffled(zoo: Zoo, seed: int) -> tuple[FloatArray, FloatArray, Grid]:
    """As `arrays`; every network keeps its id, its value, its target and its hyperparameters."""
    random = np.random.default_rng(seed)
    values, targets, grid = arrays(zoo)
    networks = random.permutation(len(values))
    axes: list[Axis] = []
    columns = []
    for column in random.permutation(len(grid.axes)):
        axis = grid.axes[column]
        order = random.permutation(len(axis.values))
        axes.append(Axis(axis.name, tuple(axis.values[place] for place in order)))
        columns.append(np.argsort(order)[grid.coordinates[networks, column]])
    ids = tuple(grid.ids[network] for network in networks)
    return values[networks], targets[networks], Grid(tuple(axes), ids, np.stack(columns, axis=1))
