"""Kendall's τ against brute force and against scipy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from scoring.errors import TooFewNetworksError
from scoring.rank import kendall_tau
from tests.scoring import literal

few = st.integers(-2, 2).map(float)
anything = st.floats(allow_nan=False, allow_infinity=False)
pairs_of_numbers = st.one_of(
    *(st.lists(st.tuples(n, m), min_size=2, max_size=40) for n in (few, anything) for m in (few, anything))
)


@given(pairs_of_numbers)
def test_tau_a_is_the_brute_force_sum(pairs: list[tuple[float, float]]) -> None:
    values, targets = (np.array(column) for column in zip(*pairs, strict=True))
    assert kendall_tau(values, targets).tau_a == pytest.approx(literal.tau_a(values.tolist(), targets.tolist()))


@given(pairs_of_numbers)
def test_tau_b_is_scipys(pairs: list[tuple[float, float]]) -> None:
    values, targets = (np.array(column) for column in zip(*pairs, strict=True))
    expected = float(kendalltau(values, targets).statistic)
    tau_b = kendall_tau(values, targets).tau_b
    assert tau_b == (None if math.isnan(expected) else pytest.approx(expected, abs=1e-12))


def test_ties_count_0_in_tau_a_and_are_corrected_for_in_tau_b() -> None:
    tau = kendall_tau(np.array([1.0, 1.0, 2.0]), np.array([0.1, 0.2, 0.3]))
    assert tau.tau_a == pytest.approx(2 / 3)
    assert tau.tau_b == pytest.approx(2 / math.sqrt(2 * 3))
    assert tau.sign == 1


def test_opposite_orders_have_tau_minus_1_and_a_negative_sign() -> None:
    tau = kendall_tau(np.array([3.0, 2.0, 1.0]), np.array([0.1, 0.2, 0.3]))
    assert (tau.tau_a, tau.tau_b, tau.sign) == (-1, -1, -1)


def test_constant_values_have_tau_a_0_and_no_tau_b() -> None:
    tau = kendall_tau(np.array([5.0, 5.0, 5.0]), np.array([0.1, 0.2, 0.3]))
    assert (tau.tau_a, tau.tau_b, tau.sign) == (0, None, 0)


def test_one_network_has_no_rank_correlation() -> None:
    with pytest.raises(TooFewNetworksError, match="there are 1 networks; a rank correlation needs at least 2"):
        kendall_tau(np.array([1.0]), np.array([0.1]))
