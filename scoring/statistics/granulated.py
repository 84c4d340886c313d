"""Granulated Kendall's τ: whether values order networks that differ on a single axis as their targets do.

`scoring.prepared` calls it. The module also owns `lines`, the networks of a complete grid along one of its axes, which
`scoring.statistics.sign_error` uses too.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scoring.grid import FloatArray, Grid, IntArray


@dataclass(frozen=True)
class GranulatedKendall:
    """Kendall's τ-a among networks that differ on one axis alone, from −1 to 1.

    Attributes
    ----------
    psi_by_axis : Mapping of str to float or None
        ψ of each axis by its name, in the grid's order; None for an axis with one value, which has no pair.
    psi : float or None
        Ψ, the unweighted mean of the defined ψ; None if none is defined.
    """

    psi_by_axis: Mapping[str, float | None]
    psi: float | None


def granulated_kendall(values: FloatArray, targets: FloatArray, grid: Grid) -> GranulatedKendall:
    """Kendall's τ-a within groups in which a single axis varies (ψ), and the mean over the axes (Ψ).

    A group of an axis holds the networks that share their values on all other axes. ψ is the mean of the groups' τ-a
    (ties count 0), and Ψ the unweighted mean of the axes' ψ.

    Parameters
    ----------
    values, targets : ndarray of float64, shape (n,)
        The values and the targets, finite.
    grid : Grid
        The hyperparameters of the n networks, complete.

    Returns
    -------
    GranulatedKendall
        ψ of each axis, and Ψ.

    Raises
    ------
    GridError
        If the grid is incomplete, or has fewer than two axes.

    References
    ----------
    Jiang et al. 2019, arXiv:1912.02178, section 2.2.2.
    """
    grid.require_scorable()
    psi_by_axis = {axis.name: _psi(values, targets, lines(grid, column)) for column, axis in enumerate(grid.axes)}
    defined = [psi for psi in psi_by_axis.values() if psi is not None]
    return GranulatedKendall(psi_by_axis, math.fsum(defined) / len(defined) if defined else None)


def lines(grid: Grid, axis: int) -> IntArray:
    """The networks along one axis of a complete grid.

    Parameters
    ----------
    grid : Grid
        The grid, complete.
    axis : int
        The index of the axis, which has k possible values.

    Returns
    -------
    ndarray of int64, shape (k, n/k)
        Row v holds the networks whose value on the axis is the v-th possible one; the networks of a column share their
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
        concordant = ((v[first] > v[later]) & (g[first] > g[later])) | ((v[first] < v[later]) & (g[first] < g[later]))
        discordant = ((v[first] > v[later]) & (g[first] < g[later])) | ((v[first] < v[later]) & (g[first] > g[later]))
        balance += int(np.count_nonzero(concordant)) - int(np.count_nonzero(discordant))
    # All groups have k networks, so that the mean of their τ-a is the τ-a of their pairs together.
    return balance / (networks.size * (k - 1) // 2)
