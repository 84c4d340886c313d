"""A grid's networks under conditioning sets: which share a combination of values, and which pair is in which cell.

`scoring.statistics.pairs` counts by cell; `scoring.statistics.cmi` defines the conditioning sets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Self

import numpy as np
from numpy.typing import NDArray

from scoring.grid import FloatArray, Grid, IntArray

AxisSet = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the combinations and cells of some conditioning sets are, for grids of one shape.

    A set whose axes have k combinations of values has k columns and k² cells, both contiguous: its cell j·k + l holds
    the pairs (a, b) with a in its combination j and b in l.

    Attributes
    ----------
    sets : tuple of tuple of int
        The conditioning sets, as axis indices.
    sizes : tuple of int
        The number k of combinations of each set.
    columns, cells : tuple of slice
        The columns and the cells of each set.
    starts : ndarray of int64, shape (sets,)
        The first cell of each set.
    mirror : ndarray of int64, shape (cells,)
        For each cell, the cell of the pairs (b, a).
    block : ndarray of int64, shape (cells,)
        For each cell, its position in a flattened matrix columns × columns.
    strides : ndarray of int64, shape (axes, sets)
        ``coordinates @ strides`` is each network's combination in each set, in mixed radix.
    """

    sets: tuple[AxisSet, ...]
    sizes: tuple[int, ...]
    columns: tuple[slice, ...]
    cells: tuple[slice, ...]
    starts: IntArray
    mirror: IntArray
    block: IntArray
    strides: IntArray


@lru_cache(maxsize=64)
def layout_of(shape: tuple[int, ...], sets: tuple[AxisSet, ...]) -> Layout:
    """The layout of conditioning sets on grids of one shape.

    Parameters
    ----------
    shape : tuple of int
        The number of possible values of each axis.
    sets : tuple of tuple of int
        The conditioning sets, as axis indices; one may be empty.

    Returns
    -------
    Layout
        Cached by its arguments.
    """
    strides = np.zeros((len(shape), len(sets)), dtype=np.int64)
    sizes: list[int] = []
    for column, axes in enumerate(sets):
        size = 1
        for axis in reversed(axes):
            strides[axis, column] = size
            size *= shape[axis]
        sizes.append(size)
    columns = _slices(sizes)
    cells = _slices([size * size for size in sizes])
    width = columns[-1].stop
    mirror: list[IntArray] = []
    block: list[IntArray] = []
    for size, its_columns, its_cells in zip(sizes, columns, cells, strict=True):
        mirror.append(np.arange(its_cells.start, its_cells.stop).reshape(size, size).T.ravel())
        inside = np.arange(its_columns.start, its_columns.stop)
        block.append(np.add.outer(width * inside, inside).ravel())
    starts = np.array([part.start for part in cells], dtype=np.int64)
    return Layout(sets, tuple(sizes), columns, cells, starts, np.concatenate(mirror), np.concatenate(block), strides)


@dataclass(frozen=True, eq=False)
class Conditioning:
    """The networks of one grid, which may have holes, under the sets of a layout.

    Attributes
    ----------
    layout : Layout
        The columns and cells of the conditioning sets.
    combinations : ndarray of int64, shape (n, sets)
        The combination of each network in each set, from 0.
    membership : ndarray of float32, shape (n, columns)
        1 where the network has the column's combination, else 0.
    pairs : ndarray of float64, shape (cells,)
        The number of ordered pairs (a, b), a ≠ b, in each cell.
    selves : ndarray of float64, shape (cells,)
        The number of self-pairs (a, a) in each cell.
    """

    layout: Layout
    combinations: IntArray
    membership: NDArray[np.float32]
    pairs: FloatArray
    selves: FloatArray

    @classmethod
    def of(cls, grid: Grid, sets: Sequence[AxisSet]) -> Self:
        """The networks of a grid under conditioning sets.

        Parameters
        ----------
        grid : Grid
            The grid, which may have holes.
        sets : sequence of tuple of int
            The conditioning sets, as axis indices.

        Returns
        -------
        Conditioning
            The networks' combinations, and the number of pairs in each cell.
        """
        layout = layout_of(grid.shape, tuple(sets))
        combinations = grid.coordinates @ layout.strides
        first_columns = np.array([part.start for part in layout.columns], dtype=np.int64)
        membership = np.zeros((len(grid.ids), layout.columns[-1].stop), dtype=np.float32)
        np.put_along_axis(membership, combinations + first_columns, 1, axis=1)
        networks = membership.sum(axis=0, dtype=np.float64)
        selves = np.diag(networks).ravel()[layout.block]
        pairs = np.multiply.outer(networks, networks).ravel()[layout.block] - selves
        return cls(layout, combinations, membership, pairs, selves)

    def over_cells(self, rows: NDArray[np.floating]) -> FloatArray:
        """Sum rows over the combination of network a.

        Parameters
        ----------
        rows : ndarray of float, shape (..., n, columns)
            Whole numbers, one for each network a and the networks b of each column.

        Returns
        -------
        ndarray of float64, shape (..., cells)
            The sums.
        """
        parts = [
            np.matmul(self.membership[:, columns].T, rows[..., columns], dtype=np.float64)
            for columns in self.layout.columns
        ]
        return np.concatenate([part.reshape(*part.shape[:-2], -1) for part in parts], axis=-1)


def _slices(sizes: Sequence[int]) -> tuple[slice, ...]:
    stops = list(accumulate(sizes))
    return tuple(slice(stop - size, stop) for stop, size in zip(stops, sizes, strict=True))
