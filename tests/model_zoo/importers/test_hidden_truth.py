"""What somebody wrote about networks, read as axes, values and a number of test examples."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from model_zoo import Axis, ZooError
from model_zoo.importers.example_count import inferred_test_size
from model_zoo.importers.hidden_truth import HiddenTruth, find_value, require_complete, written_values

NUMBERS = st.one_of(st.integers(-(10**6), 10**6), st.floats(allow_nan=False, allow_infinity=False))
WRITINGS: list[Callable[[int | float], object]] = [lambda number: number, str, float, lambda number: f" {number}"]


@given(numbers=st.lists(NUMBERS, min_size=1, max_size=6, unique=True), data=st.data())
def test_numbers_are_the_same_however_they_are_written(numbers: list[int | float], data: st.DataObject) -> None:
    values = written_values([data.draw(st.sampled_from(WRITINGS))(number) for number in numbers], "axis")
    assert values == numbers
    for number in numbers:
        assert find_value(data.draw(st.sampled_from(WRITINGS))(number), values, "axis") == number


@given(
    texts=st.lists(st.text("abc", min_size=1) | st.booleans(), min_size=1, max_size=5, unique=True),
    numbers=st.lists(st.integers(2, 9), max_size=2, unique=True),
)
def test_what_is_not_all_numbers_stays_as_it_is(texts: list[str | bool], numbers: list[int]) -> None:
    written = [*texts, *numbers]
    assert written_values(written, "axis") == written
    for value in written:
        found = find_value(value, written, "axis")
        assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    "values", [("1", "1.0"), ("0.0", "-0.0"), (0.0, -0.0), (True, 1), (512, "512"), ("\u00e9", "e\u0301")]
)
def test_values_that_are_equal_but_written_differently_are_refused_by_name(values: tuple[object, object]) -> None:
    with pytest.raises(ZooError) as refused:
        written_values(["first", *values], "table: hp.rate")
    assert str(refused.value).startswith(f"table: hp.rate: {values[0]!r} and {values[1]!r} are equal but written diff")


@pytest.mark.parametrize("value", [None, [1], {"a": 1}, math.nan, math.inf])
def test_what_can_be_no_value_is_told(value: object) -> None:
    with pytest.raises(ZooError, match=r"axis: .* can be no value of an axis"):
        written_values([1, value], "axis")


@given(sizes=st.lists(st.integers(1, 3), min_size=1, max_size=3), data=st.data())
def test_a_grid_is_complete_with_one_network_in_each_place(sizes: list[int], data: st.DataObject) -> None:
    axes = [Axis(name=f"axis{index}", values=list(range(size))) for index, size in enumerate(sizes)]
    places = list(np.ndindex(*sizes))
    hyperparameters = {
        f"n{number}": {axis.name: int(value) for axis, value in zip(axes, place, strict=True)}
        for number, place in enumerate(data.draw(st.permutations(places)))
    }
    require_complete(HiddenTruth(axes, hyperparameters, {}), Path("table"))
    assume(len(places) > 1)
    moved = data.draw(st.sampled_from(sorted(hyperparameters)))
    rest = {name: place for name, place in hyperparameters.items() if name != moved}
    with pytest.raises(ZooError, match=r"table: the grid has holes: 1 of"):
        require_complete(HiddenTruth(axes, rest, {}), Path("table"))
    other = data.draw(st.sampled_from(sorted(hyperparameters.keys() - {moved})))
    with pytest.raises(ZooError, match=r"have the same hyperparameters"):
        require_complete(HiddenTruth(axes, hyperparameters | {moved: hyperparameters[other]}, {}), Path("table"))


@given(size=st.integers(3, 3000), data=st.data())
def test_the_number_of_test_examples_is_the_common_denominator(size: int, data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.integers(0, size), min_size=3, max_size=12, unique=True))
    accuracies = [float(np.float32(count / size)) for count in counts]
    assert inferred_test_size(accuracies) == size // math.gcd(size, *counts)


@pytest.mark.parametrize(
    "accuracies",
    [[], [0.5], [0.5, 0.25, 0.5], [n**-0.5 for n in (2, 3, 5)], [n**-0.5 for n in (2, 3, 5, 6, 7, 10, 11, 13)]],
)
def test_too_few_or_strange_accuracies_tell_nothing(accuracies: list[float]) -> None:
    assert inferred_test_size(accuracies) is None
