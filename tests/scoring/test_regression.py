"""Regression: exact refits in fractions, scipy, by hand, symmetries, magnitudes, and where nothing is determined."""

import math
from dataclasses import astuple
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import linregress

from scoring.errors import IncompleteGridError, SingleAxisError
from scoring.grid import Axis, FloatArray, Grid
from scoring.statistics.regression import Regression, additive_fit, regression
from tests.scoring import literal_metrics
from tests.scoring.grids import Zoo, zoos
from tests.scoring.shuffled import arrays, shuffled

LARGEST = float(np.finfo(np.float64).max)
seeds = st.integers(0, 2**32 - 1)


def whole(zoo: Zoo) -> Zoo:
    """The same zoo with every number replaced by its rank: whole, small, with the same ties."""
    return Zoo(zoo.shape, zoo.rows, ranks(zoo.values), ranks(zoo.targets))


whole_zoos = zoos().map(whole)


@given(whole_zoos)
def test_leaving_out_by_hat_values_is_refitting_without_each_network(zoo: Zoo) -> None:
    values, targets = ([int(number) for number in numbers] for numbers in (zoo.values, zoo.targets))
    expected = literal_metrics.regression(values, targets, zoo.rows, zoo.shape)
    found = regression(*arrays(zoo))
    assert astuple(found) == tuple(approximately(number) for number in astuple(expected))


@given(whole_zoos)
def test_r2_is_scipys_squared_correlation(zoo: Zoo) -> None:
    found, n = regression(*arrays(zoo)), len(zoo.values)
    if len(set(zoo.values)) == 1:
        assert (found.r2, found.adjusted_r2) == (0, 0)
        return
    r2 = float(linregress(zoo.values, zoo.targets).rvalue) ** 2
    assert found.r2 == pytest.approx(r2, abs=1e-9)
    assert found.adjusted_r2 == pytest.approx(1 - (1 - r2) * (n - 1) / (n - 2), abs=1e-9)


@given(whole_zoos, seeds)
def test_the_order_of_networks_axes_and_axis_values_does_not_matter(zoo: Zoo, seed: int) -> None:
    found, otherwise = regression(*arrays(zoo)), regression(*shuffled(zoo, seed))
    assert astuple(otherwise) == tuple(approximately(number) for number in astuple(found))


@given(whole_zoos, st.integers(-1000, 1000), st.sampled_from([-3.0, 0.7, 1e-200, 2e150, 1e300]))
def test_an_affine_map_of_values_or_targets_changes_nothing_but_the_mae(zoo: Zoo, shift: int, scale: float) -> None:
    values, targets, grid = arrays(zoo)
    expected = tuple(approximately(number) for number in astuple(regression(values, targets, grid))[:4])
    assert astuple(regression((values + shift) * scale, targets, grid))[:4] == expected
    assert astuple(regression(values, (targets + shift) * scale, grid))[:4] == expected


@given(zoos())
def test_no_result_is_nan_or_infinite_whatever_the_magnitudes(zoo: Zoo) -> None:
    found = regression(*arrays(zoo))
    assert all(number is None or math.isfinite(number) for number in astuple(found))
    assert found.r2 is not None
    assert 0 <= found.r2 <= 1
    assert found.hyperparameters_r2 is None or found.hyperparameters_r2 <= 1
    assert np.isfinite(additive_fit(np.array(zoo.targets), zoo.truth().grid)).all()


@given(whole_zoos, st.sampled_from([2.0**42, -(2.0**42)]))
def test_a_large_offset_loses_nothing(zoo: Zoo, offset: float) -> None:
    values, targets, grid = arrays(zoo)
    expected = tuple(approximately(number) for number in astuple(regression(values, targets, grid))[:4])
    assert astuple(regression(values + offset, targets + offset, grid))[:4] == expected
    residual = targets - additive_fit(targets, grid)
    assert (targets + offset - additive_fit(targets + offset, grid)).tolist() == pytest.approx(residual, abs=2e-3)


@given(whole_zoos, seeds, st.sampled_from([(0, 1), (0, 1e-200), (1e9, 1e-3), (-1, 1e300)]))
def test_values_that_are_additive_but_for_rounding_add_exactly_nothing(
    zoo: Zoo, seed: int, map_: tuple[float, float]
) -> None:
    _, targets, grid = arrays(zoo)
    offset, scale = map_
    random = np.random.default_rng(seed)
    values = sum_of_effects(grid, random) * (1 + 1e-12 * random.normal(size=len(targets)))
    found = regression(offset + scale * values, targets, grid)
    assert found.delta_r2 == (None if found.hyperparameters_r2 is None else 0)


@pytest.mark.parametrize("height", [1e6, 1, 1e-7])
@pytest.mark.parametrize("seed", range(10))
def test_what_is_additive_but_for_one_network_has_no_contribution(height: float, seed: int) -> None:
    # Without that network the measure has no effect of its own that could predict it.
    random = np.random.default_rng(seed)
    grid = grid_of(3, 4, 2)
    values, targets = sum_of_effects(grid, random), random.normal(size=24)
    values[seed] += height
    found = regression(values, targets, grid)
    assert found.hyperparameters_r2 is not None
    assert found.delta_r2 is None


def test_a_contribution_that_hangs_on_one_network_to_nine_digits_is_undetermined() -> None:
    random = np.random.default_rng(0)
    grid = grid_of(3, 4, 2)
    values, targets = 1e-3 * random.normal(size=24), random.normal(size=24)
    values[0] = 1
    determined = regression(values, targets, grid).delta_r2
    assert determined is not None
    assert determined < -100  # it is a leverage point: the others' slope says nothing of it
    values[0] = 1000
    assert regression(values, targets, grid).delta_r2 is None


@given(zoos())
def test_the_additive_fit_is_least_squares_on_the_axes(zoo: Zoo) -> None:
    exact = literal_metrics.additive_fit(zoo.targets, zoo.rows, zoo.shape)
    expected = [float(min(max(fitted, -Fraction(LARGEST)), Fraction(LARGEST))) for fitted in exact]
    found = additive_fit(np.array(zoo.targets), zoo.truth().grid)
    largest = max(abs(target) for target in zoo.targets)
    assert found.tolist() == pytest.approx(expected, rel=1e-12, abs=max(largest * 1e-12, 1e-320))


@given(whole_zoos)
def test_the_target_itself_explains_all_that_is_left(zoo: Zoo) -> None:
    _, targets, grid = arrays(zoo)
    found = regression(targets, targets, grid)
    assert found.r2 == pytest.approx(1)
    assert found.mae == 0
    if found.delta_r2 is not None and found.hyperparameters_r2 is not None:
        assert found.hyperparameters_r2 + found.delta_r2 == pytest.approx(1)


def test_a_fit_beyond_float64_is_the_largest_float64() -> None:
    fitted = additive_fit(np.array([LARGEST, LARGEST, LARGEST, -LARGEST]), grid_of(2, 2))  # 1.5, 0.5, 0.5, −0.5 of it
    assert fitted.tolist() == [LARGEST, LARGEST / 2, LARGEST / 2, -LARGEST / 2]


def test_by_hand() -> None:
    # Axes a and b of three values each; target and values are 0 but for two networks that share no value.
    grid = grid_of(3, 3)
    targets, values = np.zeros(9), np.zeros(9)
    targets[[0, 4]] = values[0] = 1
    found = regression(values, targets, grid)
    # r = cov/√(var·var): (1 − 1·2/9)/√((1 − 1/9)(2 − 4/9)), squared.
    assert found.r2 == pytest.approx((7 / 9) ** 2 / (8 / 9 * 14 / 9))
    assert found.adjusted_r2 == pytest.approx(1 - (1 - 7 / 16) * 8 / 7)
    # Row and column means of the target are 1/3, 1/3, 0, the mean 2/9. Residual = target − row − column + mean:
    # 5/9 twice, −4/9 twice (0,1 and 1,0), −1/9 four times, 2/9 once. All hat values are 5/9; Σ(g − ḡ)² = 14/9.
    residual_squares = (2 * 25 + 2 * 16 + 4 * 1 + 4) / 81
    alone = 1 - residual_squares / (4 / 9) ** 2 / (14 / 9 * (9 / 8) ** 2)
    assert found.hyperparameters_r2 == pytest.approx(alone)
    # The values are 1 at one network, 0 elsewhere: without it they are constant, and its prediction undetermined.
    assert found.delta_r2 is None
    assert found.mae == pytest.approx(1 / 9)


def test_a_measure_that_knows_an_interaction_adds_to_the_hyperparameters() -> None:
    grid = grid_of(4, 4)
    a, b = grid.coordinates.T
    noise = np.random.default_rng(5).normal(size=16)
    found = regression(a * b + 0.1 * noise, 1.0 * a + b + a * b, grid)
    assert found.hyperparameters_r2 is not None
    assert found.delta_r2 is not None
    assert found.hyperparameters_r2 < 0.9
    assert found.hyperparameters_r2 + found.delta_r2 > 0.98
    misleading = regression(noise, 1.0 * a + b + a * b, grid).delta_r2
    assert misleading is not None
    assert misleading < 0


def test_an_axis_with_one_value_changes_nothing() -> None:
    grid = grid_of(3, 4)
    random = np.random.default_rng(1)
    values, targets = random.normal(size=(2, 12))
    wider = Grid((*grid.axes, Axis("c", (7,))), grid.ids, np.column_stack([grid.coordinates, np.zeros(12, int)]))
    assert regression(values, targets, wider) == regression(values, targets, grid)


def test_a_constant_target_leaves_only_the_mean_absolute_difference() -> None:
    found = regression(np.arange(4.0), np.full(4, 2.0), grid_of(2, 2))
    assert found == Regression(None, None, None, None, mae=1)


def test_where_each_network_has_a_coefficient_of_its_own_the_axes_predict_nothing() -> None:
    found = regression(np.array([1.0, 2.0, 4.0]), np.array([0.1, 0.2, 0.3]), grid_of(3, 1))
    assert (found.hyperparameters_r2, found.delta_r2) == (None, None)
    assert found.r2 == pytest.approx(27 / 28)


def test_where_the_measure_takes_the_last_degree_of_freedom_its_contribution_is_undetermined() -> None:
    found = regression(np.array([1.0, 2.0, 4.0, 9.0]), np.array([0.1, 0.2, 0.3, 0.5]), grid_of(2, 2))
    assert found.hyperparameters_r2 is not None
    assert found.delta_r2 is None


def test_two_networks_have_no_adjusted_r2() -> None:
    found = regression(np.array([1.0, 2.0]), np.array([0.1, 0.3]), grid_of(2, 1))
    assert found.r2 == pytest.approx(1)
    assert found.adjusted_r2 is None


def test_the_mae_of_extreme_numbers() -> None:
    grid = grid_of(2, 2)
    alternating = np.array([1, -1, 1, -1]) * LARGEST
    assert regression(alternating, -alternating, grid).mae is None
    assert regression(alternating, alternating / 2, grid).mae == pytest.approx(LARGEST / 2)
    one_far = np.array([LARGEST, 0, 0, 0])
    assert regression(one_far, -one_far, grid).mae == pytest.approx(LARGEST / 2)  # though one difference overflows
    assert regression(np.array([0, 0, 0, 2e-323]), np.zeros(4), grid).mae == 5e-324


def test_grids_with_holes_or_one_axis_are_refused() -> None:
    three = np.array([1.0, 2.0, 3.0])
    holed = Grid((Axis("a", (0, 1)), Axis("b", (0, 1))), ("x", "y", "z"), np.array([[0, 0], [0, 1], [1, 0]]))
    single = Grid((Axis("a", (0, 1, 2)),), ("x", "y", "z"), np.array([[0], [1], [2]]))
    with pytest.raises(IncompleteGridError, match="a=1, b=1"):
        regression(three, three, holed)
    with pytest.raises(IncompleteGridError, match="a=1, b=1"):
        additive_fit(three, holed)
    with pytest.raises(SingleAxisError, match="only 'a'"):
        regression(three, three, single)


def grid_of(*shape: int) -> Grid:
    axes = tuple(Axis(name, tuple(range(size))) for name, size in zip("abc", shape, strict=False))
    places = list(product(*(range(size) for size in shape)))
    return Grid(axes, tuple(f"n{index}" for index in range(len(places))), np.array(places))


def sum_of_effects(grid: Grid, random: np.random.Generator) -> FloatArray:
    """Values that are additive in the axes."""
    values = np.zeros(len(grid.ids))
    for column, size in enumerate(grid.shape):
        values += random.normal(size=size)[grid.coordinates[:, column]]
    return values


def ranks(numbers: list[float]) -> list[float]:
    return [float(rank) for rank in np.unique(numbers, return_inverse=True)[1]]


def approximately(value: float | None) -> object:
    return None if value is None else pytest.approx(value, rel=1e-7, abs=1e-9)
