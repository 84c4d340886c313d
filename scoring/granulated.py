"""Granulated Kendall's τ: do values order networks that differ on a single axis as their targets do?

`scoring.report` calls it. Owns also `lines`, the networks of a complete grid along one of its axes, from which
`scoring.sign_error` starts too.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scoring.grid import Grid, IntArray
from scoring.pairs import FloatArray


@dataclass(frozen=True)
class GranulatedKendall:
    """Kendall's τ-a among networks that differ on one axis alone, from −1 to 1.

    psi_by_axis: ψ of each axis by its name, in the grid's order; None for an axis with one value, which has no
    pair. psi: Ψ, the unweighted mean of those that are defined; None if none is.
    """

    psi_by_axis: Mapping[str, float | None]
    psi: float | None


def granulated_kendall(values: FloatArray, targets: FloatArray, grid: Grid) -> GranulatedKendall:
    """Kendall's τ-a within groups in which a single axis varies (ψ), and the mean over the axes (Ψ).

    values, targets: float64 of shape (n,), finite. grid: the n networks' hyperparameters, complete. A group of
    an axis holds the networks that share their values on all other axes; ψ is the mean of the groups' τ-a
    (ties count 0), Ψ the unweighted mean of the axes' ψ. Raises GridError if the grid is incomplete, or has
    fewer than two axes. Jiang et al. 2019, section 2.2.2.
    """
    grid.require_scorable()
    psi_by_axis = {axis.name: _psi(values, targets, lines(grid, column)) for column, axis in enumerate(grid.axes)}
    defined = [psi for psi in psi_by_axis.values() if psi is not None]
    return GranulatedKendall(psi_by_axis, math.fsum(defined) / len(defined) if defined else None)


def lines(grid: Grid, axis: int) -> IntArray:
    """The networks along one axis (by index) of a complete grid, int64 of shape (k, n/k) for k possible values.

    Row v holds the networks whose value on the axis is the v-th possible one; those of a column share their
    values on all other axes.
    """
    cell, networks = grid.cells(range(len(grid.axes)))
    by_cell = np.empty(networks, dtype=np.int64)
    by_cell[cell] = np.arange(networks)
    before, k = math.prod(grid.shape[:axis]), grid.shape[axis]
    return by_cell.reshape(before, k, -1).swapaxes(0, 1).reshape(k, -1)


def _psi(values: FloatArray, targets: FloatArray, networks: IntArray) -> float | None:
    k = len(networks)
    if k < 2:
        return None
    v, g = values[networks], targets[networks]
    balance = 0
    for first in range(k - 1):
        later = slice(first + 1, k)
        alike = ((v[first] > v[later]) & (g[first] > g[later])) | ((v[first] < v[later]) & (g[first] < g[later]))
        contrary = ((v[first] > v[later]) & (g[first] < g[later])) | ((v[first] < v[later]) & (g[first] > g[later]))
        balance += int(np.count_nonzero(alike)) - int(np.count_nonzero(contrary))
    # All groups have k networks, so that the mean of their τ-a is the τ-a of their pairs together.
    return balance / (networks.size * (k - 1) // 2)
