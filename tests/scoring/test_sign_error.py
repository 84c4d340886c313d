"""Robust sign-error: the literal definition, by hand, symmetries, and what it refuses."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import IncompleteGridError, TruthError
from scoring.grid import Axis, FloatArray, Grid
from scoring.statistics.sign_error import TEST_SETS, CdfStep, RobustSignError, TestSets, robust_sign_error
from tests.scoring import literal_metrics
from tests.scoring.grids import Zoo, zoos
from tests.scoring.shuffled import arrays, shuffled

test_set_sizes = st.sampled_from([1, 100, 10_000, 10**9])
FIVE_BITS = np.array(list(product((0, 1), repeat=5)))


@given(zoos(), test_set_sizes, st.sampled_from(TEST_SETS))
def test_it_is_the_literal_definition(zoo: Zoo, test_examples: int, test_sets: TestSets) -> None:
    expected = literal_metrics.environments(zoo.values, zoo.targets, zoo.rows, zoo.shape, test_examples, test_sets)
    found = robust_sign_error(*arrays(zoo), test_examples, test_sets)
    assert found.test_sets == test_sets
    assert [(e.axis, e.first, e.second, e.pairs) for e in found.environments] == [
        (f"axis{e.axis}", str(10 * e.first), str(10 * e.second), e.pairs) for e in expected
    ]
    assert [e.effective_pairs for e in found.environments] == pytest.approx([e.effective_pairs for e in expected])
    assert [e.sign_error for e in found.environments] == pytest.approx([e.sign_error for e in expected], abs=1e-9)
    assert (found.surviving, found.total) == (len(expected), sum(math.comb(size, 2) for size in zoo.shape))
    for index, axis in enumerate(zoo.axes):
        of_axis = [e.sign_error for e in expected if e.axis == index]
        mean = None if not of_axis else pytest.approx(sum(of_axis) / len(of_axis), abs=1e-9)
        assert found.by_axis[axis] == mean


@given(zoos(), test_set_sizes)
def test_the_summary_is_that_of_the_surviving_environments(zoo: Zoo, test_examples: int) -> None:
    found = robust_sign_error(*arrays(zoo), test_examples)
    json.dumps(asdict(found), allow_nan=False)  # plain numbers and texts throughout
    errors = [environment.sign_error for environment in found.environments]
    if not errors:
        assert (found.mean, found.percentile_90, found.maximum, found.cdf) == (None, None, None, ())
        return
    assert found.mean == pytest.approx(sum(errors) / len(errors))
    assert found.maximum == max(errors)
    assert found.percentile_90 == np.quantile(errors, 0.9, method="inverted_cdf")
    assert [step.sign_error for step in found.cdf] == sorted(set(errors))
    for step in found.cdf:
        assert step.fraction == sum(error <= step.sign_error for error in errors) / len(errors)


@given(zoos(), test_set_sizes, st.integers(0, 2**32 - 1))
def test_the_order_of_networks_axes_and_axis_values_does_not_matter(zoo: Zoo, test_examples: int, seed: int) -> None:
    found = robust_sign_error(*arrays(zoo), test_examples)
    otherwise = robust_sign_error(*shuffled(zoo, seed), test_examples)
    assert by_change(otherwise) == {
        change: pytest.approx(numbers, abs=1e-9) for change, numbers in by_change(found).items()
    }
    assert otherwise.by_axis == {axis: approximately(error) for axis, error in found.by_axis.items()}
    for name in ("mean", "percentile_90", "maximum"):
        assert getattr(otherwise, name) == approximately(getattr(found, name))


@given(zoos(), test_set_sizes, st.sampled_from([math.atan, math.exp, lambda x: 1e-300 * x - 1e-290]))
def test_only_the_order_of_the_values_counts(
    zoo: Zoo, test_examples: int, increasing: Callable[[float], float]
) -> None:
    values, targets, grid = arrays(zoo)
    ranks = np.unique(values, return_inverse=True)[1]
    mapped = np.array([increasing(float(rank)) for rank in ranks])
    assert robust_sign_error(mapped, targets, grid, test_examples) == robust_sign_error(
        values, targets, grid, test_examples
    )


def test_a_measure_that_gets_one_axis_wrong_is_found_out_by_the_maximum() -> None:
    values, gaps, grid = additive(weights=[1, 1, 1, 1, -1])
    found = robust_sign_error(values, gaps, grid, test_examples=10_000)
    assert found.by_axis == {"a": 0, "b": 0, "c": 0, "d": 0, "e": 1}
    assert (found.mean, found.percentile_90, found.maximum) == pytest.approx((0.2, 1, 1))
    assert found.cdf == (CdfStep(0, 0.8), CdfStep(1, 1))
    assert (found.surviving, found.total, found.test_examples) == (5, 5, 10_000)
    assert [environment.pairs for environment in found.environments] == [16] * 5


def test_tied_values_are_half_wrong() -> None:
    values, gaps, grid = additive(weights=[1, 1, 1, 1, 0])
    found = robust_sign_error(values, gaps, grid, test_examples=10_000)
    assert found.by_axis == {"a": 0, "b": 0, "c": 0, "d": 0, "e": 0.5}


def test_changes_that_the_test_set_cannot_tell_apart_do_not_survive() -> None:
    values, gaps, grid = additive(weights=[1, 1, 1, 1, 1])
    # Axis a changes the gap by 0.04. HW = (1 − 2·exp(−2·n·0.02²))² exceeds ½ from n = 2,402 on.
    found = robust_sign_error(values, gaps, grid, test_examples=2_300)
    assert (found.by_axis["a"], found.by_axis["b"], found.surviving, found.total) == (None, 0, 4, 5)
    assert robust_sign_error(values, gaps, grid, test_examples=2_500).surviving == 5
    nothing = robust_sign_error(values, gaps, grid, test_examples=1)
    assert (nothing.surviving, nothing.mean, nothing.maximum, nothing.cdf) == (0, None, None, ())


def test_pairs_weigh_by_how_certain_their_order_is() -> None:
    values, gaps, grid = additive(weights=[1, 1, 1, 1, 1])
    # One network's gap moves close to its partner's along a: that pair is nearly a tie, and its loss barely counts.
    gaps = gaps.copy()
    low, high = place(0, 0, 0, 0, 0), place(1, 0, 0, 0, 0)
    gaps[high] = gaps[low] + 0.036
    values = values.copy()
    values[high] = values[low] - 1
    weight, certain = (literal_metrics.hoeffding(change, 10_000) - 0.5 for change in (0.036, 0.04))
    found = robust_sign_error(values, gaps, grid, test_examples=10_000).environments[0]
    assert found.sign_error == pytest.approx(weight / (weight + 15 * certain))
    assert found.effective_pairs == pytest.approx((weight + 15 * certain) ** 2 / (weight**2 + 15 * certain**2))


def test_twelve_pairs_of_equal_weight_survive_and_eleven_do_not() -> None:
    for others, survives in ((12, True), (11, False)):
        grid = Grid(
            (Axis("a", (0, 1)), Axis("b", tuple(range(others)))),
            tuple(f"n{index}" for index in range(2 * others)),
            np.array(list(product((0, 1), range(others)))),
        )
        gaps = np.where(grid.coordinates[:, 0] == 0, 0.1, 0.13)  # weights that no float64 holds exactly
        found = robust_sign_error(gaps, gaps, grid, test_examples=10_000)
        assert found.by_axis == {"a": 0 if survives else None, "b": None}


@pytest.mark.parametrize(("missing", "survives"), [(1.19e-4, True), (1.21e-4, False)])
def test_an_effective_size_close_to_twelve_survives_as_in_the_published_program(missing: float, survives: bool) -> None:
    # numpy's isclose(effective, 12): within 1e-8 + 1e-5 · 12 of it. One weight is smaller by the share e, so that
    # (12 − e)²/(12 − 2e + e²) = 12 − missing.
    share = solve(lambda e: 12 - (12 - e) ** 2 / (12 - 2 * e + e * e) - missing, 0, 0.1)
    found = pairs_of_weights([0.3] * 11 + [0.3 * (1 - share)])
    assert (found.surviving, found.total) == (int(survives), 1 + 66)
    if survives:
        assert found.environments[0].effective_pairs == pytest.approx(12 - missing, abs=1e-8)


@pytest.mark.parametrize(("weight", "survives"), [(5e-10, False), (7e-10, True)])
def test_weights_that_sum_to_nearly_nothing_do_not_survive(weight: float, survives: bool) -> None:
    """The published program divides by 1 where isclose(Σw, 0): sixteen equal weights, but less than 1e-8 in all."""
    assert pairs_of_weights([weight] * 16).surviving == int(survives)


def test_where_networks_share_a_test_set_the_order_of_a_pair_is_less_certain() -> None:
    """|Δg| = 0.04 and 2,500 examples: q = 2·exp(−2), one network is off; (1 − q)² > ½, but 1 − 2q < ½."""
    values, gaps, grid = additive(weights=[1, 1, 1, 1, -1])
    own = robust_sign_error(values, gaps, grid, 2_500, "independent")
    one = robust_sign_error(values, gaps, grid, 2_500, "shared")
    q = 2 * math.exp(-2)
    assert (1 - q) ** 2 > 0.5 > 1 - 2 * q
    assert (own.by_axis["a"], one.by_axis["a"]) == (0, None)
    assert (own.surviving, one.surviving) == (5, 4)
    assert robust_sign_error(values, gaps, grid, 2_500) == own


def test_targets_of_any_magnitude_are_certain_or_tied() -> None:
    values, gaps, grid = additive(weights=[1, 1, 1, 1, 1])
    huge = robust_sign_error(values, (gaps - gaps.mean()) * 1e308, grid, test_examples=10_000)
    assert (huge.surviving, huge.maximum) == (5, 0)
    tiny = robust_sign_error(values, gaps * 1e-310, grid, test_examples=10_000)
    assert tiny.surviving == 0


def test_axes_with_one_value_make_no_environment() -> None:
    values, gaps, grid = additive(weights=[1, 1, 1, 1, 1])
    wider = Grid((*grid.axes, Axis("f", ("only",))), grid.ids, np.column_stack([grid.coordinates, np.zeros(32, int)]))
    found = robust_sign_error(values, gaps, wider, test_examples=10_000)
    plain = robust_sign_error(values, gaps, grid, test_examples=10_000)
    assert found == replace(plain, by_axis={**plain.by_axis, "f": None})


@pytest.mark.parametrize("test_examples", [0, -5])
def test_without_test_examples_there_is_nothing_to_weigh_by(test_examples: int) -> None:
    with pytest.raises(TruthError, match=f"there are {test_examples} test examples"):
        robust_sign_error(*additive(weights=[1, 1, 1, 1, 1]), test_examples)


def test_a_grid_with_a_hole_is_refused() -> None:
    values, gaps, grid = additive(weights=[1, 1, 1, 1, 1])
    holed = Grid(grid.axes, grid.ids[1:], grid.coordinates[1:])
    with pytest.raises(IncompleteGridError, match="a=0, b=0, c=0, d=0, e=0"):
        robust_sign_error(values[1:], gaps[1:], holed, 10_000)


def pairs_of_weights(weights: list[float]) -> RobustSignError:
    """A zoo in which the pairs along the axis a weigh so much and those along the axis b nothing."""
    n, networks = 10_000, 2 * len(weights)
    q = [1 - math.sqrt(0.5 + weight) for weight in weights]
    changes = [2 * math.sqrt(math.log(2 / one) / (2 * n)) for one in q]
    rows = np.array(list(product((0, 1), range(len(weights)))))
    grid = Grid((Axis("a", (0, 1)), Axis("b", tuple(range(len(weights))))), tuple(map(str, range(networks))), rows)
    gaps = np.where(rows[:, 0] == 0, 0.0, np.array(changes)[rows[:, 1]])
    return robust_sign_error(gaps, gaps, grid, n)


def solve(function: Callable[[float], float], low: float, high: float) -> float:
    """The root of a rising function, by halving."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < 0 else (low, middle)
    return low


def additive(weights: list[int]) -> tuple[FloatArray, FloatArray, Grid]:
    """32 networks, 2 values on each of 5 axes; each axis adds 0.04 to 0.2 to the gap and its weight to the value."""
    axes = tuple(Axis(name, (0, 1)) for name in "abcde")
    grid = Grid(axes, tuple(f"n{index}" for index in range(32)), FIVE_BITS)
    return FIVE_BITS @ np.array(weights, dtype=np.float64), FIVE_BITS @ np.array([0.04, 0.08, 0.12, 0.16, 0.2]), grid


def place(*coordinates: int) -> int:
    return int(np.flatnonzero((np.array(coordinates) == FIVE_BITS).all(axis=1))[0])


def by_change(found: RobustSignError) -> dict[tuple[str, frozenset[str]], tuple[float, ...]]:
    return {
        (e.axis, frozenset((e.first, e.second))): (e.pairs, e.effective_pairs, e.sign_error) for e in found.environments
    }


def approximately(value: float | None) -> object:
    return None if value is None else pytest.approx(value, abs=1e-9)
