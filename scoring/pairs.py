"""Ordered pairs of networks, counted by conditioning set, cell and sign: what every CMI starts from.

`scoring.cmi` folds the counts into its variants. The counting is matrix multiplication of 0/1 matrices, in
blocks of rows, so that memory stays bounded whatever the number of networks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.grid import Grid, IntArray

FloatArray = NDArray[np.float64]
PLUS, TIE, MINUS = 0, 1, 2
BLOCK_ENTRIES = 2**21  # pairs at a time: four float32 matrices of 8 MiB


@dataclass(frozen=True, eq=False)
class PairCounts:
    """How many ordered pairs (a, b), a ≠ b, fall in each cell with each pair of signs.

    signs: float64 of shape (cells, 3, 3), whole numbers: `signs[c, s, t]` counts pairs in cell c whose
    sgn(g_a − g_b) is s and sgn(μ_a − μ_b) is t, each one of PLUS, TIE, MINUS. selves: float64 of shape
    (cells,), the self-pairs (a, a) of each cell, which `signs` leaves out. starts: int64 of shape (sets,):
    the cells of a conditioning set are contiguous from there on; a set whose axes have k combinations of
    values has k² cells.
    """

    signs: FloatArray
    selves: FloatArray
    starts: IntArray


@dataclass(frozen=True, eq=False)
class _Cells:
    """Columns of the membership matrix and cells of the result that belong to one conditioning set."""

    columns: slice
    combinations: int
    cells: slice


def count_pairs(values: FloatArray, targets: FloatArray, grid: Grid, sets: Sequence[tuple[int, ...]]) -> PairCounts:
    """Count the ordered pairs of networks for every conditioning set (a tuple of axis indices; may be empty).

    values, targets: float64 of shape (n,), finite. Exact: every count is a whole number below 2**53.
    The grid may have holes: its cells then hold fewer pairs, or none.
    """
    membership, parts = _membership(grid, sets)
    ahead = _pairs_ahead(_ranks(values), _ranks(targets), membership, parts)
    sizes = membership.sum(axis=0, dtype=np.float64)
    last = parts[-1].cells.stop
    pairs, selves, mirror = np.empty(last), np.empty(last), np.empty(last, dtype=np.int64)
    for part in parts:
        k, inside = part.combinations, sizes[part.columns]
        pairs[part.cells] = np.multiply.outer(inside, inside).ravel()
        selves[part.cells] = np.diag(inside).ravel()
        mirror[part.cells] = np.arange(part.cells.start, part.cells.stop).reshape(k, k).T.ravel()
    signs = _complete_by_symmetry(ahead, pairs - selves, mirror)
    return PairCounts(signs, selves, np.array([part.cells.start for part in parts], dtype=np.int64))


def _membership(grid: Grid, sets: Sequence[tuple[int, ...]]) -> tuple[NDArray[np.float32], list[_Cells]]:
    """The 0/1 matrix of shape (n, columns): network × (conditioning set, combination of its axes' values)."""
    parts: list[_Cells] = []
    members: list[IntArray] = []
    column = cell = 0
    for axes in sets:
        member, k = grid.cells(axes)
        members.append(member + column)
        parts.append(_Cells(slice(column, column + k), k, slice(cell, cell + k * k)))
        column, cell = column + k, cell + k * k
    matrix = np.zeros((len(grid.ids), column), dtype=np.float32)
    rows = np.arange(len(grid.ids))
    for member in members:
        matrix[rows, member] = 1
    return matrix, parts


def _ranks(numbers: FloatArray) -> NDArray[np.int32]:
    return np.unique(numbers, return_inverse=True)[1].astype(np.int32)


def _pairs_ahead(
    values: NDArray[np.int32],
    targets: NDArray[np.int32],
    membership: NDArray[np.float32],
    parts: Sequence[_Cells],
) -> FloatArray:
    """Pairs per cell, float64 of shape (4, cells).

    In this order: g_a > g_b; μ_a > μ_b; both; g_a > g_b and μ_a < μ_b.
    """
    n = len(values)
    ahead = np.zeros((4, parts[-1].cells.stop))
    rows = max(1, BLOCK_ENTRIES // n)
    for start in range(0, n, rows):
        block = slice(start, min(start + rows, n))
        target_ahead = targets[block, None] > targets
        value_ahead = values[block, None] > values
        value_behind = values[block, None] < values
        events = np.empty((4, *target_ahead.shape), dtype=np.float32)
        events[0], events[1] = target_ahead, value_ahead
        events[2], events[3] = target_ahead & value_ahead, target_ahead & value_behind
        # float32 holds whole numbers exactly up to 2**24: enough for one row, not for all pairs.
        by_column = (events.reshape(-1, n) @ membership).astype(np.float64).reshape(4, -1, membership.shape[1])
        inside = membership[block].astype(np.float64)
        for part in parts:
            ahead[:, part.cells] += (inside[:, part.columns].T @ by_column[:, :, part.columns]).reshape(4, -1)
    return ahead


def _complete_by_symmetry(ahead: FloatArray, pairs: FloatArray, mirror: IntArray) -> FloatArray:
    """All nine counts per cell: (a, b) with the signs s, t is (b, a) with −s, −t in the mirror cell."""
    target_ahead, value_ahead, both, opposed = ahead
    signs = np.empty((len(pairs), 3, 3))
    signs[:, PLUS, PLUS], signs[:, MINUS, MINUS] = both, both[mirror]
    signs[:, PLUS, MINUS], signs[:, MINUS, PLUS] = opposed, opposed[mirror]
    target_only = target_ahead - both - opposed
    value_only = value_ahead - both - opposed[mirror]
    signs[:, PLUS, TIE], signs[:, MINUS, TIE] = target_only, target_only[mirror]
    signs[:, TIE, PLUS], signs[:, TIE, MINUS] = value_only, value_only[mirror]
    signs[:, TIE, TIE] = 0
    signs[:, TIE, TIE] = pairs - signs.sum(axis=(1, 2))
    return signs
