"""The three variants of the CMI, and what each makes of the counted pairs of a cell.

A variant is a row of `RULES`; docs/metrics.md defines them. `scoring.cmi` and `scoring.jackknife` call it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np

from scoring.pairs import FloatArray, SignCounts

Variant = Literal["pgdl2020", "symmetrised", "paper"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)
_TINY = float(np.finfo(np.float64).tiny)

# A table of counts has the shape (outcomes of g, outcomes of μ, …), where … are cells or other places. It depends
# linearly on the counts: to leave a network out is to subtract the table of its pairs.
Fold = Callable[[SignCounts], FloatArray]


@dataclass(frozen=True)
class Rule:
    """What tells a variant from the others.

    fold: how the signs of pairs make a table of counts. set_sizes: of the conditioning sets. weighted: cells
    count by their number of pairs rather than equally. epsilon: added inside the log of the entropy.
    counts_certain_sets: whether a set that leaves the target no uncertainty has the value 0 or none.
    """

    fold: Fold
    set_sizes: tuple[int, ...]
    weighted: bool = False
    epsilon: float = 0.0
    counts_certain_sets: bool = False


@dataclass(frozen=True, eq=False)
class CellSums:
    """What cells add to their conditioning set; arrays of one shape.

    information: I(V_g; V_μ) and entropy: H(V_g), in bits, times the cell's weight. uncertain: 1 where V_g has
    more than one outcome, else 0.
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
    """+ if the first is larger, else −: ties and self-pairs are −."""
    total, ahead = counts.pairs + counts.selves, counts.ahead
    table = np.empty((2, 2, *ahead.both.shape))
    table[0, 0] = ahead.both
    np.subtract(ahead.target, ahead.both, out=table[0, 1])
    np.subtract(ahead.value, ahead.both, out=table[1, 0])
    np.subtract(total - ahead.target, table[1, 0], out=table[1, 1])
    return table


def halved(counts: SignCounts) -> FloatArray:
    """+ and −, a tie half of each; without self-pairs."""
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
    """+, tie and −; without self-pairs."""
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
    """Information and entropy of every place of a table of counts; 0 where there is no pair.

    With counts c, their total N and f(c) = c·log₂ c: N·I = Σ f(c_gμ) − Σ f(c_g·) − Σ f(c_·μ) + f(N), and
    N·H = f(N) − Σ f(c_g·).
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
