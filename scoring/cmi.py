"""Conditional mutual information between the orders of values and target: the headline score.

Owns the three variants of docs/metrics.md, told apart by `_RULES` alone. `scoring.zoo_score` is its caller.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from scoring.errors import NoUncertaintyError, TooFewNetworksError
from scoring.grid import Grid, IntArray
from scoring.pairs import TIE, FloatArray, PairCounts, count_pairs

Variant = Literal["pgdl2020", "symmetrised", "paper"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)
ConditioningSet = tuple[str, ...]
MINIMUM_NETWORKS = 3


@dataclass(frozen=True)
class Cmi:
    """The conditional mutual information under every conditioning set, and the smallest.

    minimum: the score, from 0 (no information) to 1. attained_by: the first conditioning set, in the order of
    the table, whose value is the minimum. table: conditioning set (axis names) → value; None where the set
    leaves the target no uncertainty and the variant leaves such a set out. without_uncertainty: those sets,
    also where the variant counts them (as 0).
    """

    variant: Variant
    minimum: float
    attained_by: ConditioningSet
    table: Mapping[ConditioningSet, float | None]
    without_uncertainty: tuple[ConditioningSet, ...]


@dataclass(frozen=True, eq=False)
class _Rule:
    """What tells a variant from the others.

    fold: how the signs (+, tie, −) of a pair are shared among the outcomes, shape (outcomes, 3).
    set_sizes: of the conditioning sets. weighted: cells count by their number of pairs rather than equally.
    epsilon: added inside the log of the entropy. self_pairs: whether (a, a) counts, as a tie.
    counts_certain_sets: whether a set that leaves the target no uncertainty has the value 0 or none.
    """

    fold: FloatArray
    set_sizes: tuple[int, ...]
    weighted: bool = False
    epsilon: float = 0.0
    self_pairs: bool = False
    counts_certain_sets: bool = False


_RULES: Mapping[Variant, _Rule] = MappingProxyType(
    {
        "pgdl2020": _Rule(
            fold=np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]),
            set_sizes=(2,),
            epsilon=1e-12,
            self_pairs=True,
            counts_certain_sets=True,
        ),
        "symmetrised": _Rule(fold=np.array([[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]]), set_sizes=(2,)),
        "paper": _Rule(fold=np.eye(3), set_sizes=(0, 1, 2), weighted=True),
    }
)


def conditional_mutual_information(
    values: FloatArray, targets: FloatArray, grid: Grid, variant: Variant = "pgdl2020"
) -> Cmi:
    """The normalised mutual information of the orders of values and targets, minimal over conditioning sets.

    values, targets: float64 of shape (n,), finite. grid: the n networks' hyperparameters, complete. With V_g,
    V_μ the signs of g_a − g_b and μ_a − μ_b over ordered pairs of networks, and U_S the values that a and b
    have on the axes S: min over S of I(V_μ; V_g | U_S) / H(V_g | U_S), logs to base 2. "pgdl2020" is what the
    NeurIPS 2020 competition computed, quirks included; "paper" is Jiang et al. 2019, section 2.2.3;
    "symmetrised" is the competition's without its self-pairs and its asymmetric ties. Raises GridError
    (incomplete or duplicated grid, a single axis), TooFewNetworksError, and NoUncertaintyError if the targets
    are constant or, for "symmetrised", fixed by every pair of axes.
    """
    grid.require_scorable()
    if len(grid.ids) < MINIMUM_NETWORKS:
        raise TooFewNetworksError(f"there are {len(grid.ids)} networks; a score needs at least {MINIMUM_NETWORKS}")
    if np.all(targets == targets[0]):
        raise NoUncertaintyError(
            f"the target is {targets[0]:g} for all {len(targets)} networks, so there is nothing to predict"
        )
    rule = _RULES[variant]
    sets = [axes for size in rule.set_sizes for axes in combinations(range(len(grid.axes)), size)]
    ratios, uncertain = _ratios(count_pairs(values, targets, grid, sets), rule)

    names: list[ConditioningSet] = [tuple(grid.axes[axis].name for axis in axes) for axes in sets]
    table: dict[ConditioningSet, float | None] = {
        name: float(ratio) if is_uncertain or rule.counts_certain_sets else None
        for name, ratio, is_uncertain in zip(names, ratios, uncertain, strict=True)
    }
    scored = {name: value for name, value in table.items() if value is not None}
    if not scored:
        raise NoUncertaintyError(
            "every pair of axes fixes the order of the target, so there is nothing left to predict; "
            "the grid needs at least three axes with more than one value"
        )
    attained_by = min(scored, key=scored.__getitem__)
    certain = tuple(name for name, is_uncertain in zip(names, uncertain, strict=True) if not is_uncertain)
    return Cmi(variant, scored[attained_by], attained_by, table, certain)


def _ratios(counts: PairCounts, rule: _Rule) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Per conditioning set: information over entropy (0 without entropy), and whether there is any."""
    signs = counts.signs
    if rule.self_pairs:
        signs = signs.copy()
        signs[:, TIE, TIE] += counts.selves
    tables = rule.fold @ signs @ rule.fold.T
    totals = tables.sum(axis=(1, 2))
    occupied = totals > 0
    joint = tables / np.where(occupied, totals, 1)[:, None, None]
    weights = totals if rule.weighted else occupied.astype(np.float64)
    information = _per_set(_mutual_information(joint) * weights, counts.starts)
    entropy = _per_set(_entropy(joint.sum(axis=2), rule.epsilon) * weights, counts.starts)
    uncertain = np.logical_or.reduceat((tables.sum(axis=2) > 0).sum(axis=1) > 1, counts.starts)
    ratios = np.divide(information, entropy, out=np.zeros_like(entropy), where=uncertain)
    return np.maximum(ratios, 0), uncertain  # rounding can leave −1e−17, which would print as −0


def _per_set(cells: FloatArray, starts: IntArray) -> FloatArray:
    # A quotient of sums is the quotient of means: both run over the same cells with the same weights.
    sums: FloatArray = np.add.reduceat(cells, starts)
    return sums


def _mutual_information(joint: FloatArray) -> FloatArray:
    """In bits, per cell. joint: probabilities of shape (cells, outcomes of g, outcomes of μ), or all 0."""
    independent = joint.sum(axis=2, keepdims=True) * joint.sum(axis=1, keepdims=True)
    ratio = np.divide(joint, independent, out=np.ones_like(joint), where=joint > 0)
    information: FloatArray = (joint * np.log2(ratio)).sum(axis=(1, 2))
    return information


def _entropy(probabilities: FloatArray, epsilon: float) -> FloatArray:
    """In bits, per cell. probabilities: of shape (cells, outcomes). epsilon: added inside the log."""
    inside = probabilities + epsilon
    logs = np.log2(inside, out=np.zeros_like(inside), where=inside > 0)
    entropy: FloatArray = -(probabilities * logs).sum(axis=1)
    return entropy
