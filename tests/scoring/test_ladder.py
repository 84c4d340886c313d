"""What an entrant is shown of its scores: only what is certain, on a grid, and less the more it has been shown."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from scoring.decisions.comparison import Jackknives, compare, competition_estimate
from scoring.decisions.ladder import LEVEL, Ladder, Release, down_to_step, in_steps, ladder
from tests.scoring.jackknives import contests, jackknife, of_mean, unmoved

STEPS = st.sampled_from([0.1, 0.3, 0.5, 1.0, 3.0, 6.0, 7.0, 12.5, 13.0, 25.0, 35.0])
SCORES = st.floats(0, 100, allow_nan=False)


def precise(score: float, networks: int = 96) -> Jackknives:
    """A score from 0 to 100 that no network moves."""
    return {"zoo": unmoved(score / 100, networks)}


def uncertain(score: float, standard_error: float, phase: int = 1) -> Jackknives:
    """A score from 0 to 100 with that standard error; the errors of two with different phases are independent."""
    spread = standard_error / 100 / math.sqrt(96 * 95 / 96)
    left_out = {f"n{i}": score / 100 + spread * (-1) ** (i // phase) for i in range(96)}
    return {"zoo": jackknife(score / 100, left_out)}


def noticed(standard_error: float) -> float:
    """A standard error, 0 where it is a rounding error."""
    return 0.0 if standard_error < 1e-7 else standard_error


def literally(history: list[Jackknives], step: float) -> list[Release]:
    """The definition, as a loop over everything that was shown before."""
    seen: list[Release] = []
    for place, new in enumerate(history):
        released = [one for one in range(place) if seen[one].improved]
        gaps = [here - before for before, here in zip([-1, *released], [*released, place], strict=True)]
        degrees = sum(0.5 + 0.75 * math.log(gap) for gap in gaps[:-1]) + 1 + 1.5 * math.log(gaps[-1])
        c = math.sqrt(degrees * (1 - 2 / (9 * degrees) + 1.6448536269514722 * math.sqrt(2 / (9 * degrees))) ** 3)
        networks = sum(len(zoo.left_out) for zoo in new.values())
        c = math.sqrt(c**2 / (1 - c**2 / networks)) if c**2 < networks else 1e9
        estimate = competition_estimate(new)
        bounds = [estimate.score - c * noticed(estimate.standard_error)]
        if released:
            difference = compare(new, history[released[-1]])
            before = seen[released[-1]].lower_bound
            bounds.append(before + difference.difference - c * noticed(difference.standard_error))
        certified = min(estimate.score, max(bounds) + estimate.standard_error)
        points = [point for point in (*(step * k for k in range(1001)), 100.0) if point <= min(certified, 100.0) + 1e-7]
        shown = max(points, default=0.0)
        if not released or shown > seen[released[-1]].shown + 1e-6:
            seen.append(Release(shown, min(max(0.0, *bounds), 100.0), improved=True))
        else:
            seen.append(Release(seen[-1].shown, seen[-1].lower_bound, improved=False))
    return seen


@given(contests(), st.sampled_from([1.0, 0.5, 7.0]))
def test_the_ladder_is_its_definition(contest: dict[str, Jackknives], step: float) -> None:
    history = list(contest.values())
    for found, expected in zip(ladder(history, step), literally(history, step), strict=True):
        assert found.improved == expected.improved
        assert found.shown == pytest.approx(expected.shown)
        assert found.lower_bound == pytest.approx(expected.lower_bound)


@pytest.mark.parametrize("degrees", [0.0, 1.0, 4.5, 40.0])
def test_the_factor_is_the_root_of_a_chi_square_quantile(degrees: float) -> None:
    assert Ladder(1.0, degrees=degrees).factor(10**9) ** 2 == pytest.approx(chi2.isf(LEVEL, degrees + 1), rel=0.03)


def test_few_networks_show_little_for_certain() -> None:
    memory = Ladder(1.0, degrees=4.0)
    assert memory.factor(10**9) < memory.factor(96) < memory.factor(48) < memory.factor(13)
    assert memory.factor(11) == math.inf
    seen = memory.decide({"zoo": of_mean([0.5, 0.6] * 5)}, None)
    assert seen == Release(0, 0, improved=True)
    assert memory.decide(precise(50, networks=10), None) == Release(50, 50, improved=True)


def test_the_factor_grows_with_every_release_and_with_every_try() -> None:
    memory = Ladder(1.0)
    first = memory.after(Release(10.0, 5.0, improved=True))
    silent = first.after(first.silence())
    second = silent.after(Release(20.0, 15.0, improved=True))
    factors = [one.factor(96) for one in (memory, first, silent)]
    assert factors == sorted(set(factors))
    assert first.factor(96) < second.factor(96)


def test_the_first_submission_is_always_released() -> None:
    assert ladder([precise(0)]) == (Release(0, 0, improved=True),)
    assert ladder([precise(41.7)]) == (Release(41, 41.7, improved=True),)
    assert ladder([uncertain(5, standard_error=20)]) == (Release(0, 0, improved=True),)
    assert ladder([]) == ()


def test_what_is_shown_of_a_first_score_lies_a_standard_error_above_its_lower_bound() -> None:
    (seen,) = ladder([uncertain(40, standard_error=5)])
    assert seen.lower_bound == pytest.approx(40 - 5 * Ladder(1.0).factor(96))
    assert Ladder(1.0).factor(96) == pytest.approx(1.97, abs=0.01)
    assert seen.shown == 35


def test_a_similar_measure_is_compared_by_the_standard_error_of_the_difference() -> None:
    numbers = [0.1, 0.9, 0.4, 0.6, 0.2, 0.8]
    best, new = {"zoo": of_mean(numbers)}, {"zoo": of_mean([number + 0.02 for number in numbers])}
    assert competition_estimate(new).standard_error > 10
    assert [seen.improved for seen in ladder([best, new])] == [True, True]


def test_the_best_is_shown_again_after_a_worse_score_and_after_one_that_is_not_a_step_better() -> None:
    seen = ladder([precise(30), precise(20), precise(30.9), precise(31)])
    assert [(one.shown, one.improved) for one in seen] == [(30, True), (30, False), (30, False), (31, True)]


def test_nothing_is_certain_without_a_standard_error() -> None:
    memory = Ladder(1.0)
    release = memory.decide(None, None)
    assert release == Release(0, 0, improved=True)
    assert memory.after(release).decide(None, None) == Release(0, 0, improved=False)


def test_scores_on_other_zoos_are_not_compared_but_stand_for_themselves() -> None:
    seen = ladder([{"a": unmoved(0.1, 5)}, {"b": unmoved(0.2, 5)}])
    assert [one.shown for one in seen] == [10, 20]


@given(contests())
def test_what_is_shown_lies_on_the_grid_and_only_rises(contest: dict[str, Jackknives]) -> None:
    seen = [one.shown for one in ladder(list(contest.values()), 7.0)]
    assert seen == sorted(seen)
    assert all(shown in (*range(0, 100, 7), 100) for shown in seen)


@given(SCORES, STEPS)
def test_a_score_in_steps_is_the_nearest_point_of_the_grid(score: float, step: float) -> None:
    shown = in_steps(score, step)
    grid = [*(round(step * k, 7) for k in range(1001) if step * k < 100), 100.0]
    assert shown in grid
    assert abs(shown - score) <= min(abs(point - score) for point in grid) + 1e-6
    assert abs(shown - score) <= step / 2 + 1e-6


@given(SCORES, SCORES, STEPS)
def test_a_higher_score_is_never_shown_lower(first: float, second: float, step: float) -> None:
    low, high = sorted((first, second))
    assert in_steps(low, step) <= in_steps(high, step)
    assert down_to_step(low, step) <= down_to_step(high, step)


@given(SCORES, STEPS)
def test_rounded_down_a_score_is_less_than_a_step_lower(score: float, step: float) -> None:
    assert -1e-6 <= score - down_to_step(score, step) < step
    assert in_steps(down_to_step(score, step), step) == down_to_step(score, step)


@pytest.mark.parametrize(
    ("score", "step", "shown"),
    [
        *((98, 13, 100), (100, 6, 100), (90, 35, 100), (85, 35, 70), (0, 13, 0), (99.4, 1, 99)),
        *((12.5, 1, 12), (13.5, 1, 14), (27.75, 5, 30), (0.05, 0.1, 0), (0.15, 0.1, 0.2), (37.5, 25, 50)),
    ],
)
def test_the_ends_are_points_of_the_grid_and_halves_go_to_the_even_multiple(
    score: float, step: float, shown: float
) -> None:
    assert in_steps(score, step) == shown
