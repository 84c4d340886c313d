"""Ordered pairs of networks, counted by cell and by the signs of their differences: the input of every CMI.

`scoring.statistics.cmi` turns the counts into its variants, `scoring.statistics.jackknife` takes networks out of
them. Up to `DENSE_NETWORKS` networks, all pairs are compared and summed by matrix products; above, a
divide-and-conquer over the ranks counts them without visiting each pair.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from scoring.grid import FloatArray, IntArray
from scoring.statistics.conditioning import Conditioning

__all__ = ["PairCounter", "SignCounts", "Signs"]

Counts = NDArray[np.floating]
DENSE_NETWORKS = 1000  # about where both methods take the same time
BLOCK_ENTRIES = 2**21  # pairs at a time: a float32 matrix of 8 MiB
FLOAT32_WHOLE = 2**24  # float32 holds every whole number up to here


@dataclass(frozen=True, eq=False)
class Signs:
    """How many ordered pairs (a, b), a ≠ b, have which sign: arrays of one shape, of whole numbers.

    Attributes
    ----------
    target : ndarray of float
        Pairs with g_a > g_b.
    value : ndarray of float
        Pairs with μ_a > μ_b.
    both : ndarray of float
        Pairs with g_a > g_b and μ_a > μ_b.
    opposed : ndarray of float
        Pairs with g_a > g_b and μ_a < μ_b.
    """

    target: Counts
    value: Counts
    both: Counts
    opposed: Counts

    def restricted(self, place: tuple[slice, slice]) -> Self:
        """The counts at some positions.

        Parameters
        ----------
        place : tuple of slice
            The rows and the columns.

        Returns
        -------
        Signs
            Views of the arrays.
        """
        return type(self)(self.target[place], self.value[place], self.both[place], self.opposed[place])


@dataclass(frozen=True, eq=False)
class SignCounts:
    """All pairs at some positions (cells; or a network and a column), by their signs.

    Attributes
    ----------
    ahead : Signs
        The signs of the pairs (a, b).
    behind : Signs
        The signs of the pairs (b, a).
    pairs : ndarray of float
        The number of ordered pairs, a ≠ b.
    selves : ndarray of float
        The number of self-pairs (a, a), which are counted nowhere else.
    """

    ahead: Signs
    behind: Signs
    pairs: Counts
    selves: Counts

    def mirrored(self) -> Self:
        """The pairs (b, a) instead of (a, b)."""
        return type(self)(self.behind, self.ahead, self.pairs, self.selves)

    def without_selves(self) -> Self:
        """The same counts without the self-pairs."""
        return type(self)(self.ahead, self.behind, self.pairs, np.zeros_like(self.selves))

    def restricted(self, networks: slice, columns: slice) -> Self:
        """The counts of some networks and columns.

        Parameters
        ----------
        networks, columns : slice
            The rows and the columns of the arrays.

        Returns
        -------
        SignCounts
            Views of the arrays.
        """
        place = (networks, columns)
        return type(self)(
            self.ahead.restricted(place), self.behind.restricted(place), self.pairs[place], self.selves[place]
        )

    def transposed(self) -> Self:
        """The counts with the roles of target and value exchanged."""
        ahead, behind = self.ahead, self.behind
        return type(self)(
            Signs(ahead.value, ahead.target, ahead.both, behind.opposed),
            Signs(behind.value, behind.target, behind.both, ahead.opposed),
            self.pairs,
            self.selves,
        )


class PairCounter:
    """Counts the pairs of one grid's networks, for fixed targets and any number of values.

    Every count is exact: a whole number below 2**53.

    Parameters
    ----------
    targets : ndarray of float64, shape (n,)
        The targets, finite.
    conditioning : Conditioning
        The networks' combinations and cells.
    """

    def __init__(self, targets: FloatArray, conditioning: Conditioning) -> None:
        self._conditioning = conditioning
        self._targets = _ranks(targets)
        self._dense = len(targets) <= DENSE_NETWORKS
        self._target_cells = conditioning.over_cells(_below(self._targets, conditioning.membership))
        # Two counts in one number: `value` in its low digit, `both` in the next. Halves the matrix products.
        self._base = float(conditioning.pairs.max() + conditioning.selves.max() + 1)
        self._type = np.float32 if self._base**2 <= FLOAT32_WHOLE else np.float64
        self._membership = conditioning.membership.astype(self._type)
        if self._dense:
            self._target_ahead = self._targets[:, None] > self._targets
            self._packed = (1 + self._base * self._target_ahead).astype(self._type)

    def count(self, values: FloatArray) -> SignCounts:
        """Count the pairs of every cell.

        Parameters
        ----------
        values : ndarray of float64, shape (batch, n)
            The lists of values, finite.

        Returns
        -------
        SignCounts
            Arrays of shape (batch, cells).
        """
        cells = len(self._conditioning.pairs)
        value, both, opposed = (np.empty((len(values), cells)) for _ in range(3))
        target = np.broadcast_to(self._target_cells, value.shape)
        for block in self._blocks(values):
            count = self._count_dense if self._dense else self._count_divided
            value[block], both[block] = count(values[block])
            if _has_ties(values[block]):
                opposed[block] = count(-values[block])[1]
            else:
                opposed[block] = target[block] - both[block]
        ahead = Signs(target, value, both, opposed)
        mirror = self._conditioning.layout.mirror
        behind = Signs(*(part.take(mirror, axis=-1) for part in (target, value, both, opposed)))
        return SignCounts(ahead, behind, self._conditioning.pairs, self._conditioning.selves)

    def rows(self, values: FloatArray) -> SignCounts:
        """Count the pairs of every network a with the networks b of every column.

        Parameters
        ----------
        values : ndarray of float64, shape (n,)
            The values, finite.

        Returns
        -------
        SignCounts
            Arrays of shape (n, columns).
        """
        up, membership = self._targets, self._conditioning.membership
        down = up.max() - up
        rising = _ranks(values)
        falling = rising.max() - rising
        behind_both, behind_opposed = (_below_in_both(v, down, membership) for v in (falling, rising))
        ahead_both, ahead_opposed = (_below_in_both(v, up, membership) for v in (rising, falling))
        in_column = membership.sum(axis=0) - membership
        return SignCounts(
            Signs(_below(up, membership), _below(rising, membership), ahead_both, ahead_opposed),
            Signs(_below(down, membership), _below(falling, membership), behind_both, behind_opposed),
            in_column,
            membership,
        )

    def _blocks(self, values: FloatArray) -> Iterator[slice]:
        batch, n = values.shape
        at_a_time = max(1, BLOCK_ENTRIES // n**2) if self._dense else 1
        return (slice(start, start + at_a_time) for start in range(0, batch, at_a_time))

    def _count_dense(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Per cell, the pairs with μ_a > μ_b and those with g_a > g_b too; values of shape (batch, n)."""
        batch, n = values.shape
        ahead = np.multiply(values[:, :, None] > values[:, None, :], self._packed, dtype=self._type)
        rows = (ahead.reshape(-1, n) @ self._membership).reshape(batch, n, -1)
        matrix = np.matmul(self._membership.T, rows).reshape(batch, -1)
        packed = matrix.take(self._conditioning.layout.block, axis=1).astype(np.float64)
        both = np.floor(packed / self._base)
        return packed - self._base * both, both

    def _count_divided(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        membership = self._conditioning.membership
        ranks = _ranks(values[0])
        value = self._conditioning.over_cells(_below(ranks, membership))
        both = self._conditioning.over_cells(_below_in_both(ranks, self._targets, membership))
        return value[None], both[None]


def _ranks(numbers: FloatArray) -> IntArray:
    """Whole numbers from 0 in the same order and with the same ties."""
    return np.unique(numbers, return_inverse=True)[1].astype(np.int64)


def _has_ties(values: FloatArray) -> bool:
    ordered = np.sort(values, axis=1)
    return bool((ordered[:, 1:] == ordered[:, :-1]).any())


def _below(ranks: IntArray, membership: NDArray[np.float32]) -> NDArray[np.float32]:
    """For each network and column, how many of the column's networks have a lower rank."""
    order = np.argsort(ranks, kind="stable")
    starts = _starts(ranks[order])
    result = np.empty_like(membership)
    result[order] = _sums_before(membership[order])[starts]
    return result


def _below_in_both(values: IntArray, targets: IntArray, membership: NDArray[np.float32]) -> NDArray[np.float32]:
    """For each network and column, how many of the column's networks have a lower value and a lower target.

    values, targets: ranks from 0.
    """
    if len(values) <= DENSE_NETWORKS:
        below = (values[:, None] > values) & (targets[:, None] > targets)
        return below.astype(np.float32) @ membership
    # Two different targets have equal leading binary digits, then one at which the larger has 1 and the smaller 0. So
    # each pair is counted once: at that digit, among the targets with equal leading digits.
    result = np.zeros_like(membership)
    by_value = np.argsort(values, kind="stable")
    for digit in range(int(targets.max()).bit_length()):
        group = targets >> (digit + 1)
        order = by_value[np.argsort(group[by_value], kind="stable")]
        is_upper = ((targets[order] >> digit) & 1).astype(np.bool_)
        group_starts = _starts(group[order])
        tie_starts = np.maximum(group_starts, _starts(values[order]))
        lower_before = np.concatenate(([0], np.cumsum(~is_upper)))
        sums = _sums_before(membership[order[~is_upper]])
        upper = np.flatnonzero(is_upper)
        result[order[upper]] += sums[lower_before[tie_starts[upper]]] - sums[lower_before[group_starts[upper]]]
    return result


def _starts(ordered: IntArray) -> IntArray:
    """For each entry, where its run of equal entries begins."""
    begins = np.ones(len(ordered), dtype=np.bool_)
    begins[1:] = ordered[1:] != ordered[:-1]
    return np.maximum.accumulate(np.where(begins, np.arange(len(ordered)), 0))


def _sums_before(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Entry i is the sum of the first i rows. Below 2**24 networks, float32 is exact."""
    sums = np.zeros((len(rows) + 1, rows.shape[1]), dtype=np.float32)
    np.cumsum(rows, axis=0, out=sums[1:])
    return sums
