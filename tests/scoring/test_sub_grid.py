"""A part of a zoo for trying measures: small enough, complete, from the whole range, and the same each time."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import GridError, Truth, report, sub_grid


def grid_of(shape: tuple[int, ...]) -> Truth:
    places = list(product(*(range(size) for size in shape)))
    ids = [f"n{number}" for number in range(len(places))]
    axes = {f"axis {axis}": [10 * value for value in range(size)] for axis, size in enumerate(shape)}
    targets = np.random.default_rng(0).random(len(places))
    return Truth.from_arrays(ids, targets, axes, np.array(places))


shapes = st.lists(st.integers(2, 4), min_size=2, max_size=4).map(tuple)


@given(shapes, st.integers(4, 300))
def test_a_part_is_complete_and_no_larger_than_wanted(shape: tuple[int, ...], wanted: int) -> None:
    whole = grid_of(shape)
    part = sub_grid(whole, wanted)
    assert 4 <= len(part.ids) <= min(wanted, len(whole.ids))
    part.grid.require_scorable()
    targets = dict(zip(whole.ids, whole.targets, strict=True))
    assert [targets[network] for network in part.ids] == list(part.targets)
    for axis in part.grid.axes:
        values = whole.grid.axes[[one.name for one in whole.grid.axes].index(axis.name)].values
        assert (axis.values[0], axis.values[-1]) == (values[0], values[-1])
    grown = [math.prod(part.grid.shape) // size * (size + 1) for size in part.grid.shape]
    room = [size < 4 for size in part.grid.shape]
    assert len(part.ids) == len(whole.ids) or len(part.ids) * 2 > wanted or not any(room) or min(grown) > wanted


@given(shapes, st.integers(4, 64))
def test_each_network_keeps_its_place(shape: tuple[int, ...], wanted: int) -> None:
    whole, part = grid_of(shape), sub_grid(grid_of(shape), wanted)
    names = [axis.name for axis in whole.grid.axes]
    for network, row in zip(part.ids, part.grid.coordinates, strict=True):
        place = whole.grid.coordinates[whole.ids.index(network)]
        for axis, value in zip(part.grid.axes, row, strict=True):
            at = names.index(axis.name)
            assert axis.values[value] == whole.grid.axes[at].values[place[at]]


def test_a_part_is_scored_like_a_zoo() -> None:
    part = sub_grid(grid_of((3, 2, 4)), 8)
    assert part.grid.shape == (2, 2, 2)
    values = dict(zip(part.ids, part.targets.tolist(), strict=True))
    assert report(part, values).kendall.tau_a == 1.0


def test_too_few_networks_are_refused() -> None:
    with pytest.raises(GridError, match="3 networks cannot be scored; take 4 or more"):
        sub_grid(grid_of((2, 2, 2)), 3)
