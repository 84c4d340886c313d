"""Correlations, granulated Kendall, robust sign-error and regression as docs/metrics.md writes them.

Pair by pair, network by network, refit by refit: slow and obvious. Sums that could cancel are exact, in
fractions. The tests hold `scoring` to it, and benchmarks may measure against it. It shares no code with `scoring`.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

from tests.scoring.literal import Row, sign, tau_a

Numbers = Sequence[float]
Matrix = list[list[Fraction]]


def jackknifed_tau_a(values: Numbers, targets: Numbers) -> float | None:
    """√((n−1)/n · Σ(θ₋ᵢ − θ̄)²), each θ₋ᵢ counted anew without network i."""
    n = len(values)
    if n < 3:
        return None
    left_out = []
    for i in range(n):
        others = [a for a in range(n) if a != i]
        left_out.append(tau_a([values[a] for a in others], [targets[a] for a in others]))
    mean = sum(left_out) / n
    return math.sqrt((n - 1) / n * sum((theta - mean) ** 2 for theta in left_out))


def spearman(values: Numbers, targets: Numbers) -> float | None:
    return pearson(average_ranks(values), average_ranks(targets))


def average_ranks(numbers: Numbers) -> list[float]:
    """1 for the smallest; equal numbers share the mean of the places they take together."""
    ranks = []
    for number in numbers:
        below = sum(other < number for other in numbers)
        same = sum(other == number for other in numbers)
        ranks.append(below + (same + 1) / 2)
    return ranks


def pearson(values: Numbers, targets: Numbers) -> float | None:
    """Covariance over the root of the variances, exact up to the root. None: a variance is 0."""
    n = len(values)
    v, g = [Fraction(value) for value in values], [Fraction(target) for target in targets]
    v_mean, g_mean = sum(v, Fraction()) / n, sum(g, Fraction()) / n
    covariance = sum(((a - v_mean) * (b - g_mean) for a, b in zip(v, g, strict=True)), Fraction())
    variances = sum((a - v_mean) ** 2 for a in v) * sum((b - g_mean) ** 2 for b in g)
    if variances == 0:
        return None
    return math.sqrt(covariance**2 / variances) * (1 if covariance > 0 else -1)


def granulated(values: Numbers, targets: Numbers, rows: Sequence[Row]) -> tuple[list[float | None], float | None]:
    """ψ per axis and Ψ. None: there is no group of two networks."""
    by_axis: list[float | None] = []
    for axis in range(len(rows[0])):
        groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for network, row in enumerate(rows):
            groups[tuple(place for other, place in enumerate(row) if other != axis)].append(network)
        taus = [
            tau_a([values[network] for network in group], [targets[network] for network in group])
            for group in groups.values()
            if len(group) > 1
        ]
        by_axis.append(sum(taus) / len(taus) if taus else None)
    defined = [psi for psi in by_axis if psi is not None]
    return by_axis, sum(defined) / len(defined) if defined else None


@dataclass(frozen=True)
class LiteralEnvironment:
    """A change of the axis from the place `first` to the place `second`."""

    axis: int
    first: int
    second: int
    pairs: int
    effective_pairs: float
    sign_error: float


def environments(
    values: Numbers,
    targets: Numbers,
    rows: Sequence[Row],
    shape: Sequence[int],
    test_examples: int,
    test_sets: str = "independent",
) -> list[LiteralEnvironment]:
    """Those that the published program keeps: by numpy's isclose, with its default tolerances."""
    surviving = []
    for axis, size in enumerate(shape):
        for first, second in combinations(range(size), 2):
            weights, losses = [], []
            for a, row in enumerate(rows):
                if row[axis] != first:
                    continue
                for b, other in enumerate(rows):
                    if other == (*row[:axis], second, *row[axis + 1 :]):
                        bound = hoeffding(targets[a] - targets[b], test_examples, test_sets)
                        weights.append(max(0.0, bound - 0.5))
                        losses.append((1 - sign(values[a], values[b]) * sign(targets[a], targets[b])) / 2)
            if is_close(sum(weights), 0):
                continue
            effective = sum(weights) ** 2 / sum(weight**2 for weight in weights)
            if is_close(effective, 12) or effective > 12:
                wrong = sum(weight * loss for weight, loss in zip(weights, losses, strict=True))
                error = wrong / sum(weights)
                surviving.append(LiteralEnvironment(axis, first, second, len(weights), effective, error))
    return surviving


def is_close(number: float, other: float) -> bool:
    return abs(number - other) <= 1e-8 + 1e-5 * abs(other)


def hoeffding(change: float, test_examples: int, test_sets: str = "independent") -> float:
    half = change / 2
    one_is_off = 2 * math.exp(-2 * test_examples * (half * half))
    if test_sets == "shared":
        return max(0.0, 1 - one_is_off - one_is_off)
    return max(0.0, 1 - one_is_off) * max(0.0, 1 - one_is_off)


@dataclass(frozen=True)
class LiteralRegression:
    r2: float | None
    adjusted_r2: float | None
    hyperparameters_r2: float | None
    delta_r2: float | None
    mae: float


def regression(
    values: Sequence[int], targets: Sequence[int], rows: Sequence[Row], shape: Sequence[int]
) -> LiteralRegression:
    """In exact arithmetic, every model refitted without each network in turn.

    Whole numbers only, so that "the values are additive" and "undetermined" are facts rather than tolerances.
    """
    n = len(values)
    mae = sum(abs(value - target) for value, target in zip(values, targets, strict=True)) / n
    if len(set(targets)) == 1:
        return LiteralRegression(None, None, None, None, mae)
    affine = [[1, value] for value in values]
    r2 = 1 - residual_square_sum(affine, targets) / residual_square_sum([[1]] * n, targets)
    adjusted = None if n < 3 else 0.0 if len(set(values)) == 1 else 1 - (1 - r2) * (n - 1) / (n - 2)
    axes = [dummies(row, shape) for row in rows]
    both = [[*row, value] for row, value in zip(axes, values, strict=True)]
    alone = left_out_r2(axes, targets)
    if alone is None:
        delta: Fraction | None = None
    elif residual_square_sum(axes, values) == 0:
        delta = Fraction()
    else:
        with_measure = left_out_r2(both, targets)
        delta = None if with_measure is None else with_measure - alone
    return LiteralRegression(
        float(r2),
        None if adjusted is None else float(adjusted),
        None if alone is None else float(alone),
        None if delta is None else float(delta),
        mae,
    )


def dummies(row: Row, shape: Sequence[int]) -> list[int]:
    """1, and for each axis a 1 at the network's value; an axis's first value has no column."""
    design = [1]
    for place, size in zip(row, shape, strict=True):
        design += [int(place == value) for value in range(1, size)]
    return design


def additive_fit(targets: Numbers, rows: Sequence[Row], shape: Sequence[int]) -> list[Fraction]:
    """Least squares on the dummies of all axes, by the normal equations, exact."""
    design = [dummies(row, shape) for row in rows]
    coefficients = least_squares(design, [Fraction(target) for target in targets])
    assert coefficients is not None
    return [predict(row, coefficients) for row in design]


def left_out_r2(design: Sequence[Sequence[int]], targets: Sequence[int]) -> Fraction | None:
    """None: without some network, the others do not determine the coefficients."""
    errors = mean_errors = Fraction()
    for i, target in enumerate(targets):
        others = [g for a, g in enumerate(targets) if a != i]
        coefficients = least_squares([row for a, row in enumerate(design) if a != i], others)
        if coefficients is None:
            return None
        errors += (target - predict(design[i], coefficients)) ** 2
        mean_errors += (target - Fraction(sum(others), len(others))) ** 2
    return 1 - errors / mean_errors


def residual_square_sum(design: Sequence[Sequence[int]], targets: Sequence[int]) -> Fraction:
    """Of the least squares fit; columns that depend on those before them are left out."""
    columns: list[int] = []
    for column in range(len(design[0])):
        if least_squares([[row[c] for c in (*columns, column)] for row in design], targets) is not None:
            columns.append(column)
    kept = [[row[c] for c in columns] for row in design]
    coefficients = least_squares(kept, targets)
    assert coefficients is not None
    return sum(
        ((target - predict(row, coefficients)) ** 2 for row, target in zip(kept, targets, strict=True)), Fraction()
    )


def predict(row: Sequence[int], coefficients: Sequence[Fraction]) -> Fraction:
    return sum((entry * coefficient for entry, coefficient in zip(row, coefficients, strict=True)), Fraction())


def least_squares(design: Sequence[Sequence[int]], targets: Sequence[int | Fraction]) -> list[Fraction] | None:
    """The coefficients that solve the normal equations; None if they are not determined."""
    size = len(design[0]) if design else 0
    squares: list[list[int]] = [[0] * size for _ in range(size)]
    right: list[int | Fraction] = [0] * size
    for row, target in zip(design, targets, strict=True):
        for c in range(size):
            if row[c]:
                right[c] += row[c] * target
                for d in range(size):
                    squares[c][d] += row[c] * row[d]
    system: Matrix = [[Fraction(entry) for entry in (*squares[c], right[c])] for c in range(size)]
    return solve(system)


def solve(system: Matrix) -> list[Fraction] | None:
    """By elimination: each row holds the coefficients of an equation and its right side."""
    for column in range(len(system)):
        pivot = next((row for row in range(column, len(system)) if system[row][column] != 0), None)
        if pivot is None:
            return None
        system[column], system[pivot] = system[pivot], system[column]
        head = system[column][column]
        system[column] = [entry / head for entry in system[column]]
        for row in range(len(system)):
            factor = system[row][column]
            if row != column and factor != 0:
                system[row] = [x - factor * y for x, y in zip(system[row], system[column], strict=True)]
    return [row[-1] for row in system]
