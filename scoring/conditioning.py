"""A grid's networks under conditioning sets: which share a combination of values, and which pair is in which cell.

`scoring.pairs` counts by it, `scoring.cmi` says which sets there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Self

import numpy as np
from numpy.typing import NDArray

from scoring.grid import Grid, IntArray

FloatArray = NDArray[np.float64]
AxisSet = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the combinations and cells of some conditioning sets are, for grids of one shape.

    A set whose axes have k combinations of values owns k columns and k² cells, both contiguous: its cell
    j·k + l holds the pairs (a, b) with a in its combination j and b in l. sizes: k per set. columns, cells: a
    slice per set. starts: the first cell of each set, int64 of shape (sets,). mirror: per cell, the cell that
    the pair (b, a) is in. block: per cell, its place in a flattened matrix columns × columns. strides: int64
    of shape (axes, sets): coordinates @ strides is each network's combination in each set, in mixed radix.
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
    """The layout of conditioning sets (axis indices; one may be empty) on grids of that shape."""
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

    combinations: int64 of shape (n, sets), the combination that each network has in each set, from 0.
    membership: float32 of shape (n, columns), 1 where the network has the column's combination. pairs: the
    ordered pairs (a, b), a ≠ b, of each cell; selves: its self-pairs (a, a); both float64 of shape (cells,).
    """

    layout: Layout
    combinations: IntArray
    membership: NDArray[np.float32]
    pairs: FloatArray
    selves: FloatArray

    @classmethod
    def of(cls, grid: Grid, sets: Sequence[AxisSet]) -> Self:
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
        """The sum of rows over a's combination: (…, n, columns) to float64 of shape (…, cells).

        rows: whole numbers that say something of network a and the networks b of a column.
        """
        parts = [
            np.matmul(self.membership[:, columns].T, rows[..., columns], dtype=np.float64)
            for columns in self.layout.columns
        ]
        return np.concatenate([part.reshape(*part.shape[:-2], -1) for part in parts], axis=-1)


def _slices(sizes: Sequence[int]) -> tuple[slice, ...]:
    stops = list(accumulate(sizes))
    return tuple(slice(stop - size, stop) for stop, size in zip(stops, sizes, strict=True))
