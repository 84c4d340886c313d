"""The three variants of the CMI, and how each turns the counted pairs of a cell into a table.

A variant is a row of `RULES`; docs/metrics.md defines them. `scoring.statistics.cmi` and
`scoring.statistics.jackknife` use them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np

from scoring.grid import FloatArray
from scoring.statistics.pairs import SignCounts

Variant = Literal["pgdl2020", "symmetrised", "paper"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)
_TINY = float(np.finfo(np.float64).tiny)

# A table of counts has the shape (outcomes of g, outcomes of μ, …), where … are cells or other places. It depends
# linearly on the counts: to leave a network out is to subtract the table of its pairs.
Fold = Callable[[SignCounts], FloatArray]


@dataclass(frozen=True)
class Rule:
    """The properties in which variants differ.

    Attributes
    ----------
    fold : callable
        From the signs of pairs (`SignCounts`) to a table of counts.
    set_sizes : tuple of int
        The sizes of the conditioning sets.
    weighted : bool
        Whether cells are weighted by their number of pairs; otherwise they count equally.
    epsilon : float
        Added inside the log of the entropy.
    counts_certain_sets : bool
        Whether a set that leaves the target no uncertainty has the value 0; otherwise it has none.
    """

    fold: Fold
    set_sizes: tuple[int, ...]
    weighted: bool = False
    epsilon: float = 0.0
    counts_certain_sets: bool = False


@dataclass(frozen=True, eq=False)
class CellSums:
    """The contributions of cells to their conditioning set; arrays of one shape.

    Attributes
    ----------
    information : ndarray of float64
        I(V_g; V_μ) in bits, times the cell's weight.
    entropy : ndarray of float64
        H(V_g) in bits, times the cell's weight.
    uncertain : ndarray of float64
        1 where V_g has more than one outcome, else 0.
    """

    information: FloatArray
    entropy: FloatArray
    uncertain: FloatArray

    def ratio(self) -> FloatArray:
        """Information over entropy, 0 without entropy.

        A quotient of sums is the quotient of the means: both run over the same cells with the same weights.
        """
        quotient = np.divide(self.information, self.entropy, out=np.zeros_like(self.entropy), where=self.uncertain > 0)
        return np.maximum(quotient, 0)  # rounding can leave −1e−17, which would print as −0


def strict(counts: SignCounts) -> FloatArray:
    """Count + if the first is larger, else −: ties and self-pairs are −.

    Parameters
    ----------
    counts : SignCounts
        Pairs by their signs, arrays of any one shape.

    Returns
    -------
    ndarray of float64, shape (2, 2, ...)
        Outcomes of g by outcomes of μ.
    """
    total, ahead = counts.pairs + counts.selves, counts.ahead
    table = np.empty((2, 2, *ahead.both.shape))
    table[0, 0] = ahead.both
    np.subtract(ahead.target, ahead.both, out=table[0, 1])
    np.subtract(ahead.value, ahead.both, out=table[1, 0])
    np.subtract(total - ahead.target, table[1, 0], out=table[1, 1])
    return table


def halved(counts: SignCounts) -> FloatArray:
    """Count + and −, a tie half of each; without self-pairs.

    Parameters
    ----------
    counts : SignCounts
        Pairs by their signs, arrays of any one shape.

    Returns
    -------
    ndarray of float64, shape (2, 2, ...)
        Outcomes of g by outcomes of μ.
    """
    ahead, behind = counts.ahead, counts.behind
    # A pair's share of + is (1 + sgn)/2, so its share of (+, +) is (1 + sgn Δg + sgn Δμ + sgn Δg·sgn Δμ)/4.
    target, value = ahead.target - behind.target, ahead.value - behind.value
    product = (ahead.both + behind.both) - (ahead.opposed + behind.opposed)
    table = np.empty((2, 2, *product.shape))
    for row, g in enumerate((1, -1)):
        for column, m in enumerate((1, -1)):
            table[row, column] = (counts.pairs + g * target + m * value + g * m * product) / 4
    return table


def three_way(counts: SignCounts) -> FloatArray:
    """Count +, tie and −; without self-pairs.

    Parameters
    ----------
    counts : SignCounts
        Pairs by their signs, arrays of any one shape.

    Returns
    -------
    ndarray of float64, shape (3, 3, ...)
        Outcomes of g by outcomes of μ.
    """
    ahead, behind = counts.ahead, counts.behind
    table = np.zeros((3, 3, *ahead.both.shape))
    table[0, 0], table[0, 2], table[2, 0], table[2, 2] = ahead.both, ahead.opposed, behind.opposed, behind.both
    table[0, 1] = ahead.target - ahead.both - ahead.opposed
    table[2, 1] = behind.target - behind.both - behind.opposed
    table[1, 0] = ahead.value - ahead.both - behind.opposed
    table[1, 2] = behind.value - behind.both - ahead.opposed
    table[1, 1] = counts.pairs - table.sum(axis=(0, 1))
    return table


RULES: Mapping[Variant, Rule] = MappingProxyType(
    {
        "pgdl2020": Rule(strict, set_sizes=(2,), epsilon=1e-12, counts_certain_sets=True),
        "symmetrised": Rule(halved, set_sizes=(2,)),
        "paper": Rule(three_way, set_sizes=(0, 1, 2), weighted=True),
    }
)


def cell_sums(table: FloatArray, rule: Rule) -> CellSums:
    """Information and entropy at every position of a table of counts; 0 where there is no pair.

    With counts c, their total N and f(c) = c·log₂ c: N·I = Σ f(c_gμ) − Σ f(c_g·) − Σ f(c_·μ) + f(N), and
    N·H = f(N) − Σ f(c_g·).

    Parameters
    ----------
    table : ndarray of float64, shape (outcomes of g, outcomes of μ, ...)
        The counts.
    rule : Rule
        The variant.

    Returns
    -------
    CellSums
        Arrays of the shape of the positions.
    """
    by_target, by_value = table.sum(axis=1), table.sum(axis=0)
    total = by_target.sum(axis=0)
    target_terms = _times_log(by_target).sum(axis=0)
    total_terms = _times_log(total)
    information = _times_log(table).sum(axis=(0, 1)) - target_terms - _times_log(by_value).sum(axis=0) + total_terms
    entropy = total_terms - target_terms
    if not rule.weighted:
        divisor = np.maximum(total, 1)  # a cell can be empty
        information /= divisor
        entropy /= divisor
        if rule.epsilon:
            probabilities = by_target / divisor
            entropy = -(probabilities * np.log2(probabilities + rule.epsilon)).sum(axis=0)
    return CellSums(information, entropy, ((by_target > 0).sum(axis=0) > 1).astype(np.float64))


def _times_log(counts: FloatArray) -> FloatArray:
    result: FloatArray = counts * np.log2(np.maximum(counts, _TINY))
    return result
