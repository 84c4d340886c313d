"""Robust sign-error: how often a measure is wrong about a change of one hyperparameter, also in the worst case.

This module owns environments, their weights and the numbers derived from them. `scoring.prepared` calls it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scoring.errors import TruthError
from scoring.grid import Axis, FloatArray, Grid
from scoring.statistics.granulated import lines

TestSets = Literal["independent", "shared"]
TEST_SETS: tuple[TestSets, ...] = ("independent", "shared")
LEAST_WEIGHT = 0.5  # Hoeffding's weight below which a pair says nothing
LEAST_EFFECTIVE_PAIRS = 12
ROUNDING, ZERO = 1e-5, 1e-8  # relative and absolute, of the published program's comparisons (numpy's isclose)


@dataclass(frozen=True)
class Environment:
    """A change of one axis between two of its values, at all values of the other axes.

    Attributes
    ----------
    axis : str
        The name of the axis.
    first, second : str
        The two values, as texts.
    pairs : int
        The number of pairs of networks that differ by this change alone.
    effective_pairs : float
        (Σw)²/Σw² of their weights.
    sign_error : float
        From 0 (the values always changed in the direction of the targets) to 1 (never).
    """

    axis: str
    first: str
    second: str
    pairs: int
    effective_pairs: float
    sign_error: float


@dataclass(frozen=True)
class CdfStep:
    """A step of the cumulative distribution of sign errors.

    Attributes
    ----------
    sign_error : float
        The sign error at which the step is.
    fraction : float
        The share of the surviving environments whose sign error is at most `sign_error`.
    """

    sign_error: float
    fraction: float


@dataclass(frozen=True)
class RobustSignError:
    """The sign errors of a zoo's surviving environments: those with enough pairs that differ beyond chance.

    Attributes
    ----------
    mean, percentile_90, maximum : float or None
        Over all surviving environments; None if there is none. The 90th percentile is the smallest sign error that at
        least 90 % do not exceed.
    cdf : tuple of CdfStep
        Their distinct sign errors, ascending.
    by_axis : Mapping of str to float or None
        The mean over each axis's environments, by the axis's name, in the grid's order; None if none survived.
    environments : tuple of Environment
        The surviving environments, in the order of axes and their values.
    surviving, total : int
        The number of surviving environments, and of all.
    test_examples : int
        The size of the test set, which determines the weights.
    test_sets : {"independent", "shared"}
        Which bound weighed the pairs.
    """

    mean: float | None
    percentile_90: float | None
    maximum: float | None
    cdf: tuple[CdfStep, ...]
    by_axis: Mapping[str, float | None]
    environments: tuple[Environment, ...]
    surviving: int
    total: int
    test_examples: int
    test_sets: TestSets


def robust_sign_error(
    values: FloatArray, targets: FloatArray, grid: Grid, test_examples: int, test_sets: TestSets = "independent"
) -> RobustSignError:
    """The sign errors of every change of one axis between two of its values.

    Over the pairs of networks that differ by the change alone, the loss (1 − sgn Δμ·sgn Δg)/2 (½ for tied values) is
    averaged with weights (HW − ½)₊. By Hoeffding's inequality a target is |Δg|/2 or more off what it estimates with a
    probability of at most q = 2·exp(−2·test_examples·(Δg/2)²). HW is a lower bound on the probability that neither of
    the pair's targets is, so that their order is right:

    - test_sets "independent", as published: max(0, 1 − q)². A bound only if each network was measured on a test set of
      its own, since it multiplies the probabilities of the two.
    - test_sets "shared": max(0, 1 − 2q), the union bound. It holds however the test sets depend on each other, so also
      if all networks were measured on the same one, as in Gengap's zoos.

    Both hold for targets that are mean accuracies over test_examples examples, or a constant less these; the caller
    decides which targets qualify (the gap does if the training accuracy counts as exact).

    An environment is kept if (Σw)²/Σw² is above 12 or close to it (relative 1e-5), and Σw is not close to 0 (1e-8).
    The constants and these comparisons are those of the program published with the paper. There, an environment is a
    pair of configurations over several seeds; a zoo has one network per configuration, so here an environment is the
    change, over all configurations of the other axes.

    Parameters
    ----------
    values, targets : ndarray of float64, shape (n,)
        The values and the targets, finite.
    grid : Grid
        The hyperparameters of the n networks, complete.
    test_examples : int
        The number of examples on which each network's test accuracy was measured, at least 1.
    test_sets : {"independent", "shared"}, optional
        Which bound weighs the pairs.

    Returns
    -------
    RobustSignError
        The sign errors of the surviving environments, and their summary.

    Raises
    ------
    GridError
        If the grid is incomplete, or has fewer than two axes.
    TruthError
        If test_examples is less than 1.

    References
    ----------
    Dziugaite et al. 2020, arXiv:2010.11924.
    """
    grid.require_scorable()
    if test_examples < 1:
        raise TruthError(f"there are {test_examples} test examples; a robust sign-error needs their number, at least 1")
    surviving = tuple(
        environment
        for column, axis in enumerate(grid.axes)
        for environment in _environments(values, targets, grid, column, axis, test_examples, test_sets)
    )
    errors = sorted(environment.sign_error for environment in surviving)
    of_axis = {name: [e.sign_error for e in group] for name, group in groupby(surviving, key=lambda e: e.axis)}
    return RobustSignError(
        mean=_mean(errors),
        percentile_90=errors[-(-9 * len(errors) // 10) - 1] if errors else None,
        maximum=errors[-1] if errors else None,
        cdf=_cdf(errors),
        by_axis={axis.name: _mean(of_axis.get(axis.name, [])) for axis in grid.axes},
        environments=surviving,
        surviving=len(surviving),
        total=sum(k * (k - 1) // 2 for k in grid.shape),
        test_examples=test_examples,
        test_sets=test_sets,
    )


def _environments(
    values: FloatArray,
    targets: FloatArray,
    grid: Grid,
    column: int,
    axis: Axis,
    test_examples: int,
    test_sets: TestSets,
) -> Iterator[Environment]:
    """Those of one axis that survive, by first value and second value."""
    networks = lines(grid, column)
    k, pairs = networks.shape
    if pairs < LEAST_EFFECTIVE_PAIRS:  # the effective number never exceeds the number
        return
    v, half_g = values[networks], targets[networks] / 2  # halves, so that no difference overflows
    for first in range(k - 1):
        later = slice(first + 1, k)
        half_change = half_g[later] - half_g[first]
        weights = _weights(half_change, test_examples, test_sets)
        with_target = (v[later] > v[first]) == (half_change > 0)
        losses = np.where(v[later] == v[first], 0.5, np.where(with_target, 0.0, 1.0))
        sums = weights.sum(axis=1)
        squares = (weights * weights).sum(axis=1)
        effective = np.divide(sums * sums, squares, out=np.zeros_like(sums), where=squares > 0)
        wrong = (weights * losses).sum(axis=1)
        for second in np.flatnonzero(_is_kept(sums, effective)):
            yield Environment(
                axis=axis.name,
                first=str(axis.values[first]),
                second=str(axis.values[first + 1 + second]),
                pairs=pairs,
                effective_pairs=float(effective[second]),
                sign_error=float(wrong[second] / sums[second]),
            )


def _is_kept(sums: FloatArray, effective: FloatArray) -> NDArray[np.bool_]:
    """Whether the published program keeps an environment, by the sum of its weights and its effective pairs."""
    has_weight = ~np.isclose(sums, 0, rtol=ROUNDING, atol=ZERO)
    is_close = np.isclose(effective, LEAST_EFFECTIVE_PAIRS, rtol=ROUNDING, atol=ZERO)
    kept: NDArray[np.bool_] = has_weight & (is_close | (effective > LEAST_EFFECTIVE_PAIRS))
    return kept


def _weights(half_change: FloatArray, test_examples: int, test_sets: TestSets) -> FloatArray:
    """(HW − ½)₊ of each pair; 0 for targets that are equal."""
    with np.errstate(over="ignore"):  # a change beyond 1e154 is certain
        one_is_off = 2 * np.exp(-2 * float(test_examples) * half_change**2)
    bound = np.maximum(0, 1 - one_is_off) ** 2 if test_sets == "independent" else 1 - 2 * one_is_off
    weights: FloatArray = np.maximum(0, bound - LEAST_WEIGHT)
    return weights


def _mean(errors: Sequence[float]) -> float | None:
    return math.fsum(errors) / len(errors) if errors else None


def _cdf(errors: Sequence[float]) -> tuple[CdfStep, ...]:
    """errors: ascending."""
    steps: list[CdfStep] = []
    at_most = 0
    for error, same in groupby(errors):
        at_most += len(list(same))
        steps.append(CdfStep(error, at_most / len(errors)))
    return tuple(steps)
