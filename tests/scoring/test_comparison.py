"""Paired comparison, Holm and rank intervals, against their definitions written as loops, and against scipy."""

import dataclasses
import json
import math
from collections.abc import Mapping
from itertools import combinations
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scoring.decisions.comparison import (
    Comparison,
    Jackknives,
    RankInterval,
    compare,
    competition_estimate,
    holm,
    rank_intervals,
)
from scoring.errors import ComparisonError
from tests.scoring.jackknives import contests, jackknife, of_mean, unmoved

p_values = st.lists(st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.01, 0.02, 0.05, 1.0])), max_size=12)
levels = st.sampled_from([0.01, 0.05, 0.2, 0.9])


def literally_compared(first: Jackknives, second: Jackknives) -> Comparison:
    """The definition, network by network."""
    zoos = len(first)
    score = [100 * sum(zoo.estimate for zoo in side.values()) / zoos for side in (first, second)]
    variance = 0.0
    for zoo in first:
        moved = [first[zoo].left_out[network] - second[zoo].left_out[network] for network in first[zoo].left_out]
        n, mean = len(moved), fmean(moved)
        variance += (n - 1) / n * sum((d - mean) ** 2 for d in moved)
    difference, standard_error = score[0] - score[1], 100 * math.sqrt(variance) / zoos
    difference, standard_error = (0 if abs(x) <= 1e-7 else x for x in (difference, standard_error))
    networks = sum(len(zoo.left_out) for zoo in first.values())
    if standard_error == 0:
        return Comparison(difference, 0, None, 1.0 if difference == 0 else 2.0 ** (1 - networks), zoos)
    z = difference / standard_error
    return Comparison(difference, standard_error, z, max(2 * float(stats.norm.sf(abs(z))), 2.0 ** (1 - networks)), zoos)


def rejected_by_step_down(p: list[float], level: float) -> set[int]:
    """Holm's procedure as he wrote it: from the smallest p-value, until one exceeds level/(tests left)."""
    rejected: set[int] = set()
    for test in sorted(range(len(p)), key=p.__getitem__):
        if p[test] * (len(p) - len(rejected)) > level:
            break
        rejected.add(test)
    return rejected


def literal_intervals(submissions: Mapping[str, Jackknives], level: float) -> dict[str, RankInterval]:
    """Rank intervals from the public comparison of every pair, in Python loops."""
    pairs = list(combinations(submissions, 2))
    found = [compare(submissions[first], submissions[second]) for first, second in pairs]
    rejected = rejected_by_step_down([comparison.p_value for comparison in found], level)
    better, worse = (dict.fromkeys(submissions, 0) for _ in range(2))
    for test in rejected:
        first, second = pairs[test] if found[test].difference > 0 else pairs[test][::-1]
        worse[first] += 1
        better[second] += 1
    scores = {
        name: round(100 * fmean(zoo.estimate for zoo in jackknives.values()), 7)
        for name, jackknives in submissions.items()
    }
    return {
        name: RankInterval(
            rank=1 + sum(other > scores[name] for other in scores.values()),
            lowest=1 + better[name],
            highest=len(submissions) - worse[name],
            score=scores[name],
            standard_error=100 * math.sqrt(sum(zoo.standard_error**2 for zoo in jackknives.values())) / len(jackknives),
        )
        for name, jackknives in submissions.items()
    }


@given(contests(2, 2))
def test_the_comparison_is_its_definition(contest: dict[str, Jackknives]) -> None:
    first, second = contest.values()
    found, expected = compare(first, second), literally_compared(first, second)
    assert dataclasses.astuple(found) == tuple(
        None if number is None else pytest.approx(number, rel=1e-6, abs=1e-11)
        for number in dataclasses.astuple(expected)
    )


def test_comparing_two_means_is_the_paired_t_statistic() -> None:
    random = np.random.default_rng(7)
    first = random.normal(0.5, 0.2, size=40)
    second = first + random.normal(0.02, 0.1, size=40)
    paired = stats.ttest_rel(first, second)
    comparison = compare({"zoo": of_mean(first.tolist())}, {"zoo": of_mean(second.tolist())})
    assert comparison.z == pytest.approx(paired.statistic)
    assert comparison.difference == pytest.approx(100 * np.mean(first - second))
    assert comparison.standard_error == pytest.approx(100 * np.std(first - second, ddof=1) / math.sqrt(40))
    assert comparison.p_value == pytest.approx(2 * stats.norm.sf(abs(paired.statistic)))


def test_networks_that_move_both_scores_alike_do_not_blur_the_difference() -> None:
    shared = [0.1, 0.9, 0.4, 0.6, 0.2, 0.8]
    better = [number + 0.01 + 0.001 * (place % 2) for place, number in enumerate(shared)]
    first, second = {"zoo": of_mean(better)}, {"zoo": of_mean(shared)}
    assert competition_estimate(first).standard_error > 10
    assert compare(first, second).standard_error < 0.1


def test_the_variances_of_independent_zoos_add_up() -> None:
    one, two = of_mean([0.1, 0.2, 0.6]), of_mean([0.0, 0.5, 0.5, 1.0])
    estimate = competition_estimate({"a": one, "b": two})
    assert estimate.score == pytest.approx(100 * (0.3 + 0.5) / 2)
    assert estimate.standard_error == pytest.approx(100 * math.hypot(one.standard_error, two.standard_error) / 2)


@given(contests(2, 2))
def test_swapping_the_two_changes_the_sign_and_the_order_of_zoos_and_networks_nothing(
    contest: dict[str, Jackknives],
) -> None:
    first, second = contest.values()
    found = compare(first, second)
    swapped = compare(second, first)
    assert (-swapped.difference, swapped.standard_error, swapped.p_value) == pytest.approx(
        (found.difference, found.standard_error, found.p_value)
    )
    reversed_order = {
        zoo: jackknife(first[zoo].estimate, dict(reversed(list(first[zoo].left_out.items()))))
        for zoo in reversed(list(first))
    }
    again = compare(reversed_order, second)
    assert dataclasses.astuple(again)[:2] == pytest.approx(dataclasses.astuple(found)[:2], abs=1e-11)


def test_a_submission_does_not_differ_from_its_copy() -> None:
    scores = {"a": of_mean([0.1, 0.2, 0.6]), "b": of_mean([0.7, 0.1, 1 / 3])}
    assert compare(scores, dict(scores)) == Comparison(0, 0, None, 1, zoos=2)


@pytest.mark.parametrize("networks", [8, 96])
def test_a_difference_that_no_network_moves_has_the_least_p_value_of_a_sign_flip_test(networks: int) -> None:
    perfect, constant = {"zoo": unmoved(1.0, networks)}, {"zoo": unmoved(0.0, networks)}
    assert compare(perfect, constant) == Comparison(100, 0, None, 2.0 ** (1 - networks), zoos=1)
    assert compare(constant, perfect).difference == -100


def test_so_few_networks_never_prove_more_than_a_sign_flip_test_could() -> None:
    clear = {"zoo": of_mean([0.9, 0.901, 0.902, 0.9])}
    comparison = compare(clear, {"zoo": unmoved(0.0, 4)})
    assert comparison.z is not None
    assert comparison.z > 1000
    assert comparison.p_value == 2.0**-3


def test_rounding_is_no_difference() -> None:
    third = 1 / 3
    first = {"zoo": unmoved(third, 50)}
    second = {"zoo": unmoved(third + 2e-16, 50)}
    assert compare(first, second) == Comparison(0, 0, None, 1, zoos=1)
    noisy = {"zoo": jackknife(third, {f"n{i}": third + 1e-16 * (-1) ** i for i in range(50)})}
    assert compare(noisy, first) == Comparison(0, 0, None, 1, zoos=1)
    blurred = {"zoo": jackknife(1, {f"n{i}": 1 + 1e-11 * (i % 3) for i in range(50)})}  # by the original's epsilon
    assert compare(blurred, {"zoo": unmoved(0.0, 50)}) == Comparison(100, 0, None, 2.0**-49, zoos=1)
    assert {interval.rank for interval in rank_intervals({"a": first, "b": second, "c": noisy}).values()} == {1}


def test_scores_on_different_zoos_cannot_be_compared() -> None:
    one = of_mean([0.1, 0.2, 0.6])
    with pytest.raises(
        ComparisonError, match="the first and the second were not scored on the same zoos: only one of them has 'b'"
    ):
        compare({"a": one}, {"a": one, "b": one})


def test_scores_on_different_networks_cannot_be_compared() -> None:
    one = of_mean([0.1, 0.2, 0.6])
    other = jackknife(0.3, {"n0": 0.1, "n1": 0.2, "x": 0.3})
    with pytest.raises(ComparisonError, match="the same networks of the zoo 'a': only one of them has 'n2', 'x'"):
        compare({"a": one}, {"a": other})


def test_without_zoos_or_networks_there_is_nothing_to_compare() -> None:
    with pytest.raises(ComparisonError, match="there is no zoo"):
        compare({}, {})
    empty = dataclasses.replace(of_mean([0.1, 0.2, 0.6]), left_out={})
    with pytest.raises(ComparisonError, match="the zoo 'a' has no network"):
        compare({"a": empty}, {"a": empty})


def test_holms_adjusted_p_values_of_an_example_by_hand() -> None:
    # 4 · 0.005, 3 · 0.01, 2 · 0.03, and 1 · 0.04 raised to the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([]) == ()
    assert holm([0.4, 0.9]) == (0.8, 0.9)
    assert holm([0.6, 0.9]) == (1, 1)


@given(p_values, levels)
def test_an_adjusted_p_value_is_up_to_the_level_exactly_where_the_step_down_procedure_rejects(
    p: list[float], level: float
) -> None:
    adjusted = holm(p)
    assert {test for test, value in enumerate(adjusted) if value <= level} == rejected_by_step_down(p, level)
    assert all(before <= after <= 1 for before, after in zip(p, adjusted, strict=True))


@given(contests(), levels)
def test_rank_intervals_are_their_definition(contest: dict[str, Jackknives], level: float) -> None:
    found, expected = rank_intervals(contest, level), literal_intervals(contest, level)
    assert list(found) == list(contest)
    assert {name: dataclasses.astuple(interval) for name, interval in found.items()} == {
        name: (*places, pytest.approx(score, abs=1e-7), pytest.approx(standard_error, abs=1e-11))
        for name, (*places, score, standard_error) in (
            (name, dataclasses.astuple(interval)) for name, interval in expected.items()
        )
    }
    assert all(interval.lowest <= interval.rank <= interval.highest for interval in found.values())


def test_a_pair_whose_p_value_is_exactly_the_level_differs_significantly() -> None:
    contest = {"good": {"zoo": of_mean([0.5, 0.6, 0.7, 0.9])}, "weak": {"zoo": of_mean([0.1, 0.2, 0.6, 0.3])}}
    p_value = compare(contest["good"], contest["weak"]).p_value
    assert 0 < p_value < 1
    at_the_level = rank_intervals(contest, level=p_value)
    assert {name: (i.lowest, i.highest) for name, i in at_the_level.items()} == {"good": (1, 1), "weak": (2, 2)}
    below = rank_intervals(contest, level=math.nextafter(p_value, 0))
    assert {name: (i.lowest, i.highest) for name, i in below.items()} == {"good": (1, 2), "weak": (1, 2)}


def test_one_submission_is_first_and_none_have_no_ranks() -> None:
    assert rank_intervals({}) == {}
    (only,) = rank_intervals({"only": {"zoo": of_mean([0.1, 0.2, 0.6])}}).values()
    assert (only.rank, only.lowest, only.highest) == (1, 1, 1)


def test_equal_scores_share_their_rank_and_the_interval() -> None:
    scores = {"last": 0.1, "middle": 0.5, "first": 0.9, "copy": 0.5}
    found = rank_intervals({name: {"zoo": unmoved(score, 96)} for name, score in scores.items()})
    assert {name: (interval.rank, interval.lowest, interval.highest) for name, interval in found.items()} == {
        "last": (4, 4, 4),
        "middle": (2, 2, 3),
        "first": (1, 1, 1),
        "copy": (2, 2, 3),
    }


def test_submissions_that_chance_could_have_ordered_keep_every_rank() -> None:
    random = np.random.default_rng(11)
    alike = {f"m{i}": {"zoo": of_mean(random.normal(0.5, 0.3, 50).tolist())} for i in range(6)}
    found = rank_intervals(alike).values()
    assert sorted(interval.rank for interval in found) == [1, 2, 3, 4, 5, 6]
    assert {(interval.lowest, interval.highest) for interval in found} == {(1, 6)}


def test_names_that_begin_alike_for_hundreds_of_letters_stay_two_submissions() -> None:
    long = 400 * "m"
    found = rank_intervals(
        {f"{long}{end}{long}": {"zoo": unmoved(score, 96)} for end, score in (("a", 0.1), ("b", 0.9))}
    )
    assert [interval.rank for interval in found.values()] == [2, 1]


def test_rank_intervals_name_the_submissions_that_do_not_fit_together() -> None:
    one = of_mean([0.1, 0.2, 0.6])
    with pytest.raises(ComparisonError, match="'alice' and 'bob' were not scored on the same zoos"):
        rank_intervals({"alice": {"a": one}, "carol": {"a": one}, "bob": {"b": one}})


def test_results_are_plain_json() -> None:
    contest = {"a": {"zoo": unmoved(0.5, 4)}, "b": {"zoo": of_mean([0.1, 0.2, 0.6, 0.3])}}
    plain = [dataclasses.asdict(compare(contest["a"], contest["b"]))]
    plain += [dataclasses.asdict(interval) for interval in rank_intervals(contest).values()]
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
