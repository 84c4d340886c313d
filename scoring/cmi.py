"""Conditional mutual information between the orders of values and target: the headline score.

Owns the score of values, of many values at once and under many targets; `scoring.variants` tells the variants
apart. `scoring.report` calls it, `scoring.jackknife` takes networks out of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from scoring.conditioning import Conditioning
from scoring.errors import NoUncertaintyError, TooFewNetworksError
from scoring.grid import Grid
from scoring.pairs import FloatArray, PairCounter, SignCounts
from scoring.variants import RULES, CellSums, Variant, cell_sums

ConditioningSet = tuple[str, ...]
MINIMUM_NETWORKS = 3


@dataclass(frozen=True)
class Cmi:
    """The conditional mutual information under every conditioning set, and the smallest.

    minimum: the zoo's CMI, from 0 (no information) to 1. attained_by: the first conditioning set, in the order
    of the table, whose value is the minimum. table: conditioning set (axis names) → value; None where the set
    leaves the target no uncertainty and the variant leaves such a set out. without_uncertainty: those sets,
    also where the variant counts them (as 0).
    """

    variant: Variant
    minimum: float
    attained_by: ConditioningSet
    table: Mapping[ConditioningSet, float | None]
    without_uncertainty: tuple[ConditioningSet, ...]


class ConditionalMutualInformation:
    """The normalised mutual information of the orders of values and targets, minimal over conditioning sets.

    With V_g, V_μ the signs of g_a − g_b and μ_a − μ_b over ordered pairs of networks, and U_S the values that a
    and b have on the axes S: min over S of I(V_μ; V_g | U_S) / H(V_g | U_S), logs to base 2. "pgdl2020" is what
    the NeurIPS 2020 competition computed, quirks included; "paper" is Jiang et al. 2019, section 2.2.3;
    "symmetrised" is the competition's without its self-pairs and its asymmetric ties.

    targets: float64 of shape (n,), finite. grid: the n networks' hyperparameters, complete. Made once for a
    zoo, it scores any number of values. Raises GridError (incomplete or duplicated grid, a single axis),
    TooFewNetworksError, and NoUncertaintyError if the targets are constant.
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
        """The CMI of values, float64 of shape (n,), finite.

        Raises NoUncertaintyError if every conditioning set fixes the order of the target and the variant
        leaves such sets out.
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
        """The CMI of each of many values: float64 of shape (batch, n) to (batch,); nan where `score` raises."""
        return self.minima_of(self.counter.count(values))

    def minima_for_targets(self, targets: FloatArray, values: FloatArray) -> FloatArray:
        """The CMI of one measure's values if the targets were others; nan where nothing is left to predict.

        targets: float64 of shape (batch, n). values: of shape (n,). Gives shape (batch,).
        """
        counts = PairCounter(values, self.conditioning).count(targets)
        return self.minima_of(counts.transposed())

    def minima_of(self, counts: SignCounts) -> FloatArray:
        """The CMI that counted pairs make; nan where nothing is left to predict. Shape (batch,)."""
        sums = self._set_sums(counts)
        return self.minimum(sums.ratio(), sums.uncertain > 0)

    def minimum(self, ratios: FloatArray, uncertain: NDArray[np.bool_]) -> FloatArray:
        """The smallest ratio over the last axis, the conditioning sets; nan where none counts."""
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
