"""Random zoos for the tests of `scoring`: complete grids with values and targets, ties included."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from scoring import Truth

MOST = 72  # networks
SHAPES = [shape for axes in range(2, 6) for shape in product(range(1, 5), repeat=axes) if 3 <= math.prod(shape) <= MOST]


@dataclass(frozen=True)
class Zoo:
    """A complete grid in shuffled order; values and targets per network."""

    shape: tuple[int, ...]
    rows: Sequence[tuple[int, ...]]
    values: list[float]
    targets: list[float]

    @property
    def ids(self) -> list[str]:
        return [f"n{index}" for index in range(len(self.rows))]

    @property
    def named_values(self) -> dict[str, float]:
        return dict(zip(self.ids, self.values, strict=True))

    @property
    def axes(self) -> dict[str, list[int]]:
        return {f"axis{index}": [10 * value for value in range(size)] for index, size in enumerate(self.shape)}

    def truth(self) -> Truth:
        return Truth.from_arrays(self.ids, np.array(self.targets), self.axes, np.array(self.rows))


@st.composite
def zoos(draw: st.DrawFn, most: int = MOST) -> Zoo:
    """2–5 axes with 1–4 values, 3 to `most` networks; ties from none to nearly all; values may be constant."""
    shape = draw(st.sampled_from([shape for shape in SHAPES if math.prod(shape) <= most]))
    networks = math.prod(shape)
    rows = draw(st.permutations(list(product(*(range(size) for size in shape)))))
    targets = draw(_numbers(networks, as_targets=True))
    assume(len(set(targets)) > 1)
    return Zoo(shape, rows, draw(_numbers(networks)), targets)


def _numbers(count: int, *, as_targets: bool = False) -> st.SearchStrategy[list[float]]:
    """Targets have no digit beyond those that count: 12 decimals, or 12 significant digits from 1 on."""
    anything = decimal_numbers() if as_targets else st.floats(allow_nan=False, allow_infinity=False)
    few = st.integers(0, 3).map(float)
    constant = (st.integers(-99, 99).map(lambda k: k / 100) if as_targets else st.floats(-1, 1)).map(
        lambda number: [number] * count
    )
    distinct = st.permutations([round(index / count, 12) for index in range(count)])
    return st.one_of(distinct, *(st.lists(n, min_size=count, max_size=count) for n in (anything, few)), constant)


def decimal_numbers() -> st.SearchStrategy[float]:
    """From 1e-12 to 1e34, either sign, with at most 12 digits that count."""
    digits, powers = st.integers(-(10**12), 10**12), st.one_of(st.just(-12), st.integers(-12, 22))
    return st.builds(lambda digits, power: float(f"{digits}e{power}"), digits, powers)
