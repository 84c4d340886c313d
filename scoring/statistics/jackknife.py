"""Delete-one jackknife: a zoo's CMI without each network in turn, and the standard error that follows.

`scoring.prepared` calls it; `scoring.decisions.comparison`, `scoring.decisions.ladder` and
`scoring.decisions.holdout` decide by it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.grid import FloatArray
from scoring.statistics.cmi import ConditionalMutualInformation
from scoring.statistics.pairs import SignCounts
from scoring.statistics.variants import CellSums, cell_sums

CELLS_AT_A_TIME = 2**18  # about 50 MiB


@dataclass(frozen=True)
class Jackknife:
    """A score with its delete-one jackknife.

    Attributes
    ----------
    estimate : float
        θ, the score of all n networks.
    standard_error : float
        Of θ.
    left_out : Mapping of str to float
        Network id to θ₋ᵢ, the score without that network.
    """

    estimate: float
    standard_error: float
    left_out: Mapping[str, float]


def standard_error_of(left_out: FloatArray) -> float:
    """The standard error √((n−1)/n · Σ(θ₋ᵢ − θ̄)²), with θ̄ the mean of the left-out scores θ₋ᵢ.

    Parameters
    ----------
    left_out : ndarray of float64, shape (n,)
        The left-out scores, finite.

    Returns
    -------
    float
        The standard error.

    References
    ----------
    Efron and Stein 1981, The Jackknife Estimate of Variance, Annals of Statistics 9.
    """
    n = len(left_out)
    deviations = left_out - left_out.mean()
    return math.sqrt((n - 1) / n * float(deviations @ deviations))


def jackknife(cmi: ConditionalMutualInformation, values: FloatArray) -> Jackknife | None:
    """The jackknife of the CMI of some values.

    A grid without one of its networks has a hole: its cells hold fewer pairs, or none.

    Parameters
    ----------
    cmi : ConditionalMutualInformation
        The CMI on the zoo.
    values : ndarray of float64, shape (n,)
        The values, finite.

    Returns
    -------
    Jackknife or None
        None if the target leaves nothing to predict without one of the networks.

    References
    ----------
    Efron and Stein 1981, The Jackknife Estimate of Variance, Annals of Statistics 9.
    """
    counts = cmi.counter.count(values[None])
    left_out = _without_each(cmi, values, counts)
    if np.isnan(left_out).any():
        return None
    estimate = float(cmi.minima_of(counts)[0])
    return Jackknife(estimate, standard_error_of(left_out), dict(zip(cmi.grid.ids, left_out.tolist(), strict=True)))


def _without_each(cmi: ConditionalMutualInformation, values: FloatArray, counts: SignCounts) -> FloatArray:
    """Return the CMI without each network in turn, nan where nothing is left to predict; counts: of all pairs.

    The pairs are counted once. A network removes its own pairs from one row and one column of cells in each
    conditioning set, and only those cells are computed again.
    """
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
