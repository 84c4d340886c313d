"""Conditional mutual information between the orders of values and target: the headline score.

This module scores one list of values, many lists at once, and one list under many targets.
`scoring.statistics.variants` defines how the variants differ. `scoring.prepared` calls this module;
`scoring.statistics.jackknife` leaves networks out of the score.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from scoring.errors import NoUncertaintyError, TooFewNetworksError
from scoring.grid import FloatArray, Grid
from scoring.statistics.conditioning import Conditioning
from scoring.statistics.pairs import PairCounter, SignCounts
from scoring.statistics.variants import RULES, CellSums, Variant, cell_sums

ConditioningSet = tuple[str, ...]
MINIMUM_NETWORKS = 3


@dataclass(frozen=True)
class Cmi:
    """The conditional mutual information under every conditioning set, and the smallest.

    Attributes
    ----------
    variant : {"pgdl2020", "symmetrised", "paper"}
        The variant of the CMI.
    minimum : float
        The zoo's CMI, from 0 (no information) to 1.
    attained_by : tuple of str
        The first conditioning set, in the order of the table, whose value is the minimum.
    table : Mapping of tuple of str to float or None
        Conditioning set (axis names) to value. None if the set leaves the target no uncertainty and the variant
        leaves such sets out.
    without_uncertainty : tuple of tuple of str
        The sets that leave the target no uncertainty, also those that the variant counts as 0.
    """

    variant: Variant
    minimum: float
    attained_by: ConditioningSet
    table: Mapping[ConditioningSet, float | None]
    without_uncertainty: tuple[ConditioningSet, ...]


class ConditionalMutualInformation:
    """The normalised mutual information of the orders of values and targets, minimal over conditioning sets.

    With V_g, V_μ the signs of g_a − g_b and μ_a − μ_b over ordered pairs of networks, and U_S the values of a and b
    on the axes S, this is the minimum over S of I(V_μ; V_g | U_S) / H(V_g | U_S), with logarithms to base 2.
    "pgdl2020" is what the NeurIPS 2020 competition computed, including its quirks; "paper" is the definition of the
    paper; "symmetrised" is the competition's without its self-pairs and its asymmetric treatment of ties.

    Created once for a zoo, an instance scores any number of values.

    Parameters
    ----------
    targets : ndarray of float64, shape (n,)
        The targets, finite.
    grid : Grid
        The hyperparameters of the n networks, complete.
    variant : {"pgdl2020", "symmetrised", "paper"}, optional
        The variant of the CMI.

    Raises
    ------
    GridError
        If the grid is incomplete, has two networks at one place, or has a single axis.
    TooFewNetworksError
        If there are fewer than 3 networks.
    NoUncertaintyError
        If the targets are constant.

    References
    ----------
    Jiang et al. 2019, arXiv:1912.02178, section 2.2.3; Jiang et al. 2020, arXiv:2012.07976.
    """

    def __init__(self, targets: FloatArray, grid: Grid, variant: Variant = "pgdl2020") -> None:
        grid.require_scorable()
        if len(grid.ids) < MINIMUM_NETWORKS:
            raise TooFewNetworksError(f"there are {len(grid.ids)} networks; a score needs at least {MINIMUM_NETWORKS}")
        if np.all(targets == targets[0]):
            raise NoUncertaintyError(
                f"the target is {targets[0]:g} for all {len(targets)} networks, so there is nothing to predict"
            )
        self.variant = variant
        self.grid = grid
        self.rule = RULES[variant]
        sets = [axes for size in self.rule.set_sizes for axes in combinations(range(len(grid.axes)), size)]
        self._names = [tuple(grid.axes[axis].name for axis in axes) for axes in sets]
        self.conditioning = Conditioning.of(grid, sets)
        self.counter = PairCounter(targets, self.conditioning)

    def score(self, values: FloatArray) -> Cmi:
        """The CMI of one list of values.

        Parameters
        ----------
        values : ndarray of float64, shape (n,)
            The values, finite.

        Returns
        -------
        Cmi
            The minimum and the value under every conditioning set.

        Raises
        ------
        NoUncertaintyError
            If every conditioning set fixes the order of the target and the variant leaves such sets out.
        """
        sums = self._set_sums(self.counter.count(values[None]))
        uncertain = (sums.uncertain[0] > 0).tolist()
        table: dict[ConditioningSet, float | None] = {
            name: ratio if is_uncertain or self.rule.counts_certain_sets else None
            for name, ratio, is_uncertain in zip(self._names, sums.ratio()[0].tolist(), uncertain, strict=True)
        }
        scored = {name: value for name, value in table.items() if value is not None}
        if not scored:
            raise NoUncertaintyError(
                "every pair of axes fixes the order of the target, so there is nothing left to predict; "
                "the grid needs at least three axes with more than one value"
            )
        attained_by = min(scored, key=scored.__getitem__)
        certain = tuple(name for name, is_uncertain in zip(self._names, uncertain, strict=True) if not is_uncertain)
        return Cmi(self.variant, scored[attained_by], attained_by, table, certain)

    def minima(self, values: FloatArray) -> FloatArray:
        """The CMI of many lists of values.

        Parameters
        ----------
        values : ndarray of float64, shape (batch, n)
            The lists of values, finite.

        Returns
        -------
        ndarray of float64, shape (batch,)
            The CMI of each list; nan where `score` raises.
        """
        return self.minima_of(self.counter.count(values))

    def minima_for_targets(self, targets: FloatArray, values: FloatArray) -> FloatArray:
        """The CMI of one list of values under many lists of targets.

        Parameters
        ----------
        targets : ndarray of float64, shape (batch, n)
            The lists of targets, finite.
        values : ndarray of float64, shape (n,)
            The values, finite.

        Returns
        -------
        ndarray of float64, shape (batch,)
            The CMI under each list of targets; nan where nothing is left to predict.
        """
        counts = PairCounter(values, self.conditioning).count(targets)
        return self.minima_of(counts.transposed())

    def minima_of(self, counts: SignCounts) -> FloatArray:
        """The CMI that follows from counted pairs.

        Parameters
        ----------
        counts : SignCounts
            The pairs of every cell, arrays of shape (batch, cells).

        Returns
        -------
        ndarray of float64, shape (batch,)
            The CMI of each row; nan where nothing is left to predict.
        """
        sums = self._set_sums(counts)
        return self.minimum(sums.ratio(), sums.uncertain > 0)

    def minimum(self, ratios: FloatArray, uncertain: NDArray[np.bool_]) -> FloatArray:
        """The smallest ratio over the conditioning sets that the variant counts.

        Parameters
        ----------
        ratios : ndarray of float64, shape (..., sets)
            Information over entropy.
        uncertain : ndarray of bool, shape (..., sets)
            Whether the set leaves the target any uncertainty.

        Returns
        -------
        ndarray of float64, shape (...)
            The minimum over the last axis; nan where no set counts.
        """
        smallest: FloatArray
        if self.rule.counts_certain_sets:
            smallest = ratios.min(axis=-1)
            return smallest
        smallest = np.where(uncertain, ratios, np.inf).min(axis=-1)
        return np.where(np.isfinite(smallest), smallest, np.nan)

    def _set_sums(self, counts: SignCounts) -> CellSums:
        """The sums over the cells of each conditioning set; arrays of shape (batch, sets)."""
        cells = cell_sums(self.rule.fold(counts), self.rule)
        starts = self.conditioning.layout.starts
        return CellSums(
            *(np.add.reduceat(part, starts, axis=-1) for part in (cells.information, cells.entropy, cells.uncertain))
        )
