"""Delete-one jackknife: a zoo's CMI without each network in turn, and the standard error that follows.

`scoring.report` asks for it; `scoring.comparison`, `scoring.ladder` and `scoring.holdout` decide by it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.cmi import ConditionalMutualInformation
from scoring.pairs import FloatArray, SignCounts
from scoring.variants import CellSums, cell_sums

CELLS_AT_A_TIME = 2**18  # some 50 MiB


@dataclass(frozen=True)
class Jackknife:
    """estimate: θ of all n networks. left_out: network id → θ₋ᵢ, the score without it. standard_error: of θ."""

    estimate: float
    standard_error: float
    left_out: Mapping[str, float]


def standard_error_of(left_out: FloatArray) -> float:
    """√((n−1)/n · Σ(θ₋ᵢ − θ̄)²) of left_out, float64 of shape (n,), finite; θ̄ is their mean."""
    n = len(left_out)
    deviations = left_out - left_out.mean()
    return math.sqrt((n - 1) / n * float(deviations @ deviations))


def jackknife(cmi: ConditionalMutualInformation, values: FloatArray) -> Jackknife | None:
    """The jackknife of the CMI of values, float64 of shape (n,), finite.

    None where the target would leave nothing to predict without one of the networks. The grid that is left
    when one network is out has a hole: its cells hold fewer pairs, or none. Efron & Stein 1981.
    """
    counts = cmi.counter.count(values[None])
    left_out = _without_each(cmi, values, counts)
    if np.isnan(left_out).any():
        return None
    estimate = float(cmi.minima_of(counts)[0])
    return Jackknife(estimate, standard_error_of(left_out), dict(zip(cmi.grid.ids, left_out.tolist(), strict=True)))


def without_each(cmi: ConditionalMutualInformation, values: FloatArray) -> FloatArray:
    """The CMI without each network in turn, nan where that leaves nothing to predict; float64 of shape (n,).

    values: float64 of shape (n,), finite. The pairs are counted once; a network takes its own away from one row
    and one column of cells in each conditioning set, and only those are computed anew.
    """
    return _without_each(cmi, values, cmi.counter.count(values[None]))


def _without_each(cmi: ConditionalMutualInformation, values: FloatArray, counts: SignCounts) -> FloatArray:
    """counts: of all pairs, each array of shape (1, cells)."""
    whole = cmi.rule.fold(counts)[:, :, 0]
    pairs = cmi.counter.rows(values)
    ratios: list[FloatArray] = []
    uncertain: list[NDArray[np.bool_]] = []
    for index, cells in enumerate(cmi.conditioning.layout.cells):
        sums = _without_each_in_set(cmi, index, whole[:, :, cells], pairs)
        ratios.append(sums.ratio())
        uncertain.append(sums.uncertain > 0)
    return cmi.minimum(np.stack(ratios, axis=-1), np.stack(uncertain, axis=-1))


def _without_each_in_set(
    cmi: ConditionalMutualInformation, index: int, whole: FloatArray, pairs: SignCounts
) -> CellSums:
    """The sums over the cells of one conditioning set, without each network; arrays of shape (n,).

    whole: the table of the set's k² cells with all networks. pairs: of each network with each column.
    """
    layout, rule = cmi.conditioning.layout, cmi.rule
    k, columns = layout.sizes[index], layout.columns[index]
    table = whole.reshape(*whole.shape[:2], k, k)
    before = cell_sums(table, rule)
    own = cmi.conditioning.combinations[:, index]
    step = max(1, CELLS_AT_A_TIME // k)
    parts: list[CellSums] = []
    for start in range(0, len(own), step):
        c = own[start : start + step]
        here = np.arange(len(c))
        taken = pairs.restricted(slice(start, start + step), columns)
        # The pairs (i, b) lie in the row of i's combination, the pairs (b, i) in its column. Both lie in the cell
        # where these meet, which is kept in the row and emptied in the column.
        row = table[:, :, c] - rule.fold(taken)
        taken_back = rule.fold(taken.mirrored().without_selves())
        row[:, :, here, c] -= taken_back[:, :, here, c]
        column = table.transpose(0, 1, 3, 2)[:, :, c] - taken_back
        column[:, :, here, c] = 0
        after = cell_sums(np.concatenate([row, column], axis=-1), rule)
        parts.append(
            CellSums(
                _exchanged(before.information, after.information, c),
                _exchanged(before.entropy, after.entropy, c),
                _exchanged(before.uncertain, after.uncertain, c),
            )
        )
    return CellSums(
        np.concatenate([part.information for part in parts]),
        np.concatenate([part.entropy for part in parts]),
        np.concatenate([part.uncertain for part in parts]),
    )


def _exchanged(before: FloatArray, after: FloatArray, c: NDArray[np.int64]) -> FloatArray:
    """The sum of k × k cells with row and column c of `before` exchanged for those of `after`; shape of c.

    after: of shape (len(c), 2k), row then column.
    """
    old = before.sum(axis=1)[c] + before.sum(axis=0)[c] - before[c, c]
    exchanged: FloatArray = before.sum() - old + after.sum(axis=1)
    return exchanged
