"""Granulated Kendall: the literal definition, by hand, symmetries, and grids that it refuses."""

import math
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import DuplicateNetworksError, IncompleteGridError, SingleAxisError
from scoring.grid import Axis, Grid
from scoring.statistics.granulated import granulated_kendall
from tests.scoring import literal_metrics
from tests.scoring.grids import Zoo, zoos
from tests.scoring.shuffled import arrays, shuffled


@given(zoos())
def test_it_is_the_literal_definition(zoo: Zoo) -> None:
    by_axis, psi = literal_metrics.granulated(zoo.values, zoo.targets, zoo.rows)
    found = granulated_kendall(*arrays(zoo))
    assert list(found.psi_by_axis) == list(zoo.axes)
    assert list(found.psi_by_axis.values()) == [approximately(expected) for expected in by_axis]
    assert found.psi == approximately(psi)


@given(zoos(), st.integers(0, 2**32 - 1))
def test_the_order_of_networks_axes_and_axis_values_does_not_matter(zoo: Zoo, seed: int) -> None:
    assert granulated_kendall(*shuffled(zoo, seed)) == granulated_kendall(*arrays(zoo))


@given(zoos(), st.sampled_from([math.atan, math.exp, lambda x: 1e-300 * x - 1e-290]))
def test_only_the_order_of_the_values_counts(zoo: Zoo, increasing: Callable[[float], float]) -> None:
    values, targets, grid = arrays(zoo)
    ranks = np.unique(values, return_inverse=True)[1]
    mapped = np.array([increasing(float(rank)) for rank in ranks])
    assert granulated_kendall(mapped, targets, grid) == granulated_kendall(values, targets, grid)


@given(zoos())
def test_the_opposite_order_has_the_opposite_sign(zoo: Zoo) -> None:
    values, targets, grid = arrays(zoo)
    found, opposite = granulated_kendall(values, targets, grid), granulated_kendall(-values, targets, grid)
    assert opposite.psi_by_axis == {
        name: None if psi is None else pytest.approx(-psi) for name, psi in found.psi_by_axis.items()
    }


def test_by_hand() -> None:
    grid = Grid(
        (Axis("width", (1, 2, 3)), Axis("depth", (1, 2))), tuple("abcdef"), np.array([*product(range(3), (0, 1))])
    )
    targets = np.array([0.1, 0.2, 0.2, 0.5, 0.3, 0.4])
    values = np.array([1.0, 2.0, 3.0, 1.5, 2.0, 2.5])
    found = granulated_kendall(values, targets, grid)
    # Along the width, at depth 1: targets .1 .2 .3, values 1 3 2; at depth 2: targets .2 .5 .4, values 2 1.5 2.5.
    assert found.psi_by_axis["width"] == pytest.approx(((2 - 1) / 3 + (1 - 2) / 3) / 2)
    # Along the depth, width by width: 1 < 2 as .1 < .2; 3 > 1.5 though .2 < .5; 2 < 2.5 as .3 < .4.
    assert found.psi_by_axis["depth"] == pytest.approx((1 - 1 + 1) / 3)
    assert found.psi == pytest.approx((0 + 1 / 3) / 2)


def test_ties_in_values_or_targets_count_0() -> None:
    grid = Grid((Axis("a", (0, 1)), Axis("b", (0, 1))), tuple("wxyz"), np.array([*product((0, 1), (0, 1))]))
    found = granulated_kendall(np.array([1.0, 1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.3, 0.3]), grid)
    assert found.psi_by_axis == {"a": 1, "b": 0}
    assert found.psi == 0.5


def test_an_axis_with_one_value_has_no_psi_and_is_left_out_of_the_mean() -> None:
    grid = Grid((Axis("a", (0, 1)), Axis("b", (7,))), ("x", "y"), np.array([[0, 0], [1, 0]]))
    found = granulated_kendall(np.array([1.0, 2.0]), np.array([0.1, 0.2]), grid)
    assert (found.psi_by_axis, found.psi) == ({"a": 1, "b": None}, 1)


def test_a_single_network_has_no_psi_at_all() -> None:
    grid = Grid((Axis("a", (0,)), Axis("b", (7,))), ("x",), np.array([[0, 0]]))
    found = granulated_kendall(np.array([1.0]), np.array([0.1]), grid)
    assert (found.psi_by_axis, found.psi) == ({"a": None, "b": None}, None)


def test_a_grid_with_a_hole_a_doubled_place_or_one_axis_is_refused() -> None:
    axes = (Axis("a", (0, 1)), Axis("b", (0, 1)))
    three = np.array([1.0, 2.0, 3.0])
    with pytest.raises(IncompleteGridError, match="a=1, b=1"):
        granulated_kendall(three, three, Grid(axes, ("x", "y", "z"), np.array([[0, 0], [0, 1], [1, 0]])))
    with pytest.raises(DuplicateNetworksError, match="'x' and 'z'"):
        granulated_kendall(three, three, Grid(axes, ("x", "y", "z"), np.array([[0, 0], [1, 1], [0, 0]])))
    with pytest.raises(SingleAxisError, match="only 'a'"):
        granulated_kendall(three, three, Grid((Axis("a", (0, 1, 2)),), ("x", "y", "z"), np.array([[0], [1], [2]])))


def approximately(value: float | None) -> object:
    return None if value is None else pytest.approx(value, abs=1e-12)
