"""Kendall's τ, Spearman's ρ and Pearson's r against brute force, against exact fractions and against scipy."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, pearsonr, spearmanr

from scoring.errors import TooFewNetworksError
from scoring.statistics.rank import correlations, kendall_tau, rank_correlations
from tests.scoring import literal, literal_metrics

Pairs = list[tuple[float, float]]
few = st.integers(-2, 2).map(float)
anything = st.floats(allow_nan=False, allow_infinity=False)
moderate = st.floats(-1e3, 1e3).map(lambda number: round(number, 6))
pairs_of_numbers = st.one_of(
    *(st.lists(st.tuples(n, m), min_size=2, max_size=40) for n in (few, anything) for m in (few, anything))
)
moderate_pairs = st.lists(st.tuples(moderate, moderate), min_size=2, max_size=40)


@given(pairs_of_numbers)
def test_tau_a_is_the_brute_force_sum(pairs: Pairs) -> None:
    values, targets = (np.array(column) for column in zip(*pairs, strict=True))
    assert kendall_tau(values, targets).tau_a == pytest.approx(literal.tau_a(values.tolist(), targets.tolist()))


@given(pairs_of_numbers)
def test_tau_b_is_scipys(pairs: Pairs) -> None:
    values, targets = (np.array(column) for column in zip(*pairs, strict=True))
    expected = float(kendalltau(values, targets).statistic)
    tau_b = kendall_tau(values, targets).tau_b
    assert tau_b == (None if math.isnan(expected) else pytest.approx(expected, abs=1e-12))


@given(pairs_of_numbers)
def test_the_standard_error_of_tau_a_is_that_of_leaving_out_each_network(pairs: Pairs) -> None:
    values, targets = (np.array(column) for column in zip(*pairs, strict=True))
    expected = literal_metrics.jackknifed_tau_a(values.tolist(), targets.tolist())
    found = kendall_tau(values, targets).standard_error_a
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-12))


@given(pairs_of_numbers)
def test_counting_in_blocks_of_rows_changes_nothing(pairs: Pairs) -> None:
    values, targets = (np.array(column) for column in zip(*pairs, strict=True))
    whole = kendall_tau(values, targets)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scoring.statistics.rank.BLOCK_ENTRIES", 50)
        assert kendall_tau(values, targets) == whole


def test_ties_count_0_in_tau_a_and_are_corrected_for_in_tau_b() -> None:
    tau = kendall_tau(np.array([1.0, 1.0, 2.0]), np.array([0.1, 0.2, 0.3]))
    assert tau.tau_a == pytest.approx(2 / 3)
    assert tau.tau_b == pytest.approx(2 / math.sqrt(2 * 3))
    assert tau.sign == 1


def test_the_standard_error_by_hand() -> None:
    # Only the last two are ordered contrarily: without either no pair is, without another it is one pair of three.
    tau = kendall_tau(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 4.0, 3.0]))
    left_out = [1 / 3, 1 / 3, 1, 1]
    mean = sum(left_out) / 4
    assert tau.tau_a == pytest.approx(mean)
    assert tau.standard_error_a == pytest.approx(math.sqrt(3 / 4 * sum((theta - mean) ** 2 for theta in left_out)))


def test_opposite_orders_have_tau_minus_1_without_error_and_a_negative_sign() -> None:
    tau = kendall_tau(np.array([3.0, 2.0, 1.0]), np.array([0.1, 0.2, 0.3]))
    assert (tau.tau_a, tau.tau_b, tau.standard_error_a, tau.sign) == (-1, -1, 0, -1)


def test_constant_values_have_tau_a_0_and_no_tau_b() -> None:
    tau = kendall_tau(np.array([5.0, 5.0, 5.0]), np.array([0.1, 0.2, 0.3]))
    assert (tau.tau_a, tau.tau_b, tau.sign) == (0, None, 0)


def test_two_networks_have_no_standard_error() -> None:
    assert kendall_tau(np.array([1.0, 2.0]), np.array([0.1, 0.2])).standard_error_a is None


def test_one_network_has_no_rank_correlation() -> None:
    with pytest.raises(TooFewNetworksError, match="there are 1 networks; a rank correlation needs at least 2"):
        kendall_tau(np.array([1.0]), np.array([0.1]))


@given(pairs_of_numbers)
def test_spearman_and_pearson_are_exact_at_any_magnitude(pairs: Pairs) -> None:
    values, targets = (np.array(column) for column in zip(*pairs, strict=True))
    found = correlations(values, targets)
    assert found.spearman == approximately(literal_metrics.spearman(values.tolist(), targets.tolist()))
    assert found.pearson == approximately(literal_metrics.pearson(values.tolist(), targets.tolist()))


@given(st.lists(st.tuples(few, few), min_size=2, max_size=40), st.sampled_from([1.0, 1e300]))
def test_pearson_is_exact_for_numbers_that_differ_in_their_last_digits_only(pairs: Pairs, scale: float) -> None:
    values, targets = (scale * (1.5 + 2.0**-52 * np.array(column)) for column in zip(*pairs, strict=True))
    expected = literal_metrics.pearson(values.tolist(), targets.tolist())
    assert correlations(values, targets).pearson == approximately(expected)


@given(moderate_pairs)
def test_spearman_and_pearson_are_scipys(pairs: Pairs) -> None:
    values, targets = (np.array(column) for column in zip(*pairs, strict=True))
    found = correlations(values, targets)
    if np.ptp(values) == 0 or np.ptp(targets) == 0:
        assert (found.spearman, found.pearson) == (None, None)
        return
    assert found.spearman == pytest.approx(float(spearmanr(values, targets).statistic), abs=1e-9)
    if min(np.ptp(values), np.ptp(targets)) > 1e-3:  # scipy itself warns of rounding below
        assert found.pearson == pytest.approx(float(pearsonr(values, targets).statistic), abs=1e-9)


@given(pairs_of_numbers, st.sampled_from([math.atan, math.exp, lambda x: 1e-300 * x - 1e-290]))
def test_an_increasing_map_of_the_values_changes_no_rank_correlation(
    pairs: Pairs, increasing: Callable[[float], float]
) -> None:
    values, targets = (np.array(column) for column in zip(*pairs, strict=True))
    ranks = np.unique(values, return_inverse=True)[1]
    mapped = np.array([increasing(float(rank)) for rank in ranks])
    assert kendall_tau(mapped, targets) == kendall_tau(values, targets)
    assert correlations(mapped, targets).spearman == correlations(values, targets).spearman


@given(pairs_of_numbers, st.integers(0, 2**32 - 1))
def test_the_order_of_the_networks_does_not_matter(pairs: Pairs, seed: int) -> None:
    values, targets = (np.array(column) for column in zip(*pairs, strict=True))
    order = np.random.default_rng(seed).permutation(len(pairs))
    tau, listed_otherwise = kendall_tau(values, targets), kendall_tau(values[order], targets[order])
    assert (listed_otherwise.tau_a, listed_otherwise.tau_b) == (tau.tau_a, tau.tau_b)
    assert listed_otherwise.standard_error_a == approximately(tau.standard_error_a)
    found, otherwise = correlations(values, targets), correlations(values[order], targets[order])
    assert otherwise.spearman == found.spearman
    assert otherwise.pearson == approximately(found.pearson)


@pytest.mark.parametrize("power", [-1000, 1000])
def test_values_of_extreme_magnitude_lose_nothing(power: int) -> None:
    values, targets = np.array([3.0, 1.0, 4.0, 1.5, 9.0]), np.array([2.0, 7.0, 1.0, 8.0, 2.8])
    plain = correlations(values, targets)
    assert correlations(np.ldexp(values, power), np.ldexp(targets, -power)) == plain
    largest = np.array([-1.0, 1.0, 1.0]) * np.finfo(np.float64).max
    assert correlations(largest, np.array([0.0, 5e-324, 5e-324])).pearson == pytest.approx(1)


def test_spearman_shares_ranks_among_ties() -> None:
    # Ranks 1.5, 1.5, 3 against 1, 2, 3: covariance 1.5, variances 1.5 and 2.
    found = correlations(np.array([5.0, 5.0, 9.0]), np.array([0.1, 0.2, 0.9]))
    assert found.spearman == pytest.approx(1.5 / math.sqrt(1.5 * 2))


def test_constant_values_or_targets_have_no_correlation() -> None:
    constant, varying = np.array([5.0, 5.0, 5.0]), np.array([0.1, 0.2, 0.3])
    for found in (correlations(constant, varying), correlations(varying, constant)):
        assert (found.spearman, found.pearson) == (None, None)


def approximately(value: float | None) -> object:
    return None if value is None else pytest.approx(value, abs=1e-12)


@given(st.lists(st.lists(few, min_size=4, max_size=4), min_size=1, max_size=6))
def test_the_rank_correlations_of_rows_are_those_of_every_two(rows: list[list[float]]) -> None:
    found = rank_correlations(np.array(rows))
    for at, row in enumerate(rows):
        for other, column in enumerate(rows):
            expected = correlations(np.array(row), np.array(column)).spearman
            assert found[at, other] == pytest.approx(math.nan if expected is None else expected, nan_ok=True, abs=1e-12)
