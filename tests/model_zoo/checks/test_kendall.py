"""Kendall's tau-b and its test against scipy's."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from model_zoo.checks.kendall import chance, tau_b

series = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=3, max_size=40)


@given(series)
def test_both_are_scipys(pairs: list[tuple[int, int]]) -> None:
    first, second = ([pair[side] for pair in pairs] for side in (0, 1))
    expected = kendalltau(first, second, method="asymptotic")
    if math.isnan(expected.statistic):
        assert (tau_b(first, second), chance(first, second)) == (None, 1.0)
    else:
        assert tau_b(first, second) == pytest.approx(expected.statistic)
        assert chance(first, second) == pytest.approx(expected.pvalue)
