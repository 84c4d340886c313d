"""What a team sees of its scores: released only for a real improvement, and coarsely."""

import math

import pytest
from hypothesis import given

from scoring.decisions.comparison import Jackknives, compare, competition_estimate
from scoring.decisions.ladder import Release, ladder, release
from scoring.errors import ComparisonError
from tests.scoring.jackknives import contests, jackknife, of_mean, unmoved


def precise(score: float, networks: int = 96) -> Jackknives:
    """A score from 0 to 100 that no network moves."""
    return {"zoo": unmoved(score / 100, networks)}


def uncertain(score: float, standard_error: float) -> Jackknives:
    """A score from 0 to 100 with that standard error."""
    spread = standard_error / 100 / math.sqrt(96 * 95 / 96)
    left_out = {f"n{i}": score / 100 + spread * (-1) ** i for i in range(96)}
    return {"zoo": jackknife(score / 100, left_out)}


def literally(history: list[Jackknives]) -> list[Release]:
    """The definition, as a loop."""
    releases: list[Release] = []
    best: Jackknives | None = None
    for new in history:
        improved = best is None or compare(new, best).difference > compare(new, best).standard_error
        if improved:
            best = new
        assert best is not None
        estimate = competition_estimate(best)
        step = 1
        while step < estimate.standard_error - 1e-7:
            step += 1
        multiples = [step * k for k in range(101) if step * k <= 100]
        nearest = min(abs(multiple - estimate.score) for multiple in multiples)
        candidates = [multiple for multiple in multiples if abs(multiple - estimate.score) <= nearest + 1e-6]
        even = [multiple for multiple in candidates if multiple // step % 2 == 0]
        releases.append(Release((even if len(candidates) > 1 else candidates)[0], step, improved))
    return releases


@given(contests())
def test_the_ladder_is_its_definition(contest: dict[str, Jackknives]) -> None:
    history = list(contest.values())
    assert list(ladder(history)) == literally(history)


def test_the_first_submission_is_always_released() -> None:
    assert release(None, precise(0)) == Release(0, 1, improved=True)
    assert ladder([precise(41.7)]) == (Release(42, 1, improved=True),)
    assert ladder([]) == ()


def test_a_new_score_is_released_only_if_it_beats_the_best_by_more_than_the_standard_error() -> None:
    best = precise(40)
    assert release(best, uncertain(42.9, standard_error=3)) == Release(40, 1, improved=False)
    assert release(best, uncertain(43.1, standard_error=3)) == Release(42, 3, improved=True)


def test_it_is_the_standard_error_of_the_difference_that_counts() -> None:
    numbers = [0.1, 0.9, 0.4, 0.6, 0.2, 0.8]
    best, new = {"zoo": of_mean(numbers)}, {"zoo": of_mean([number + 0.02 for number in numbers])}
    assert competition_estimate(new).standard_error > 10
    assert release(best, new).improved


def test_the_best_is_repeated_after_a_worse_score_and_after_the_same() -> None:
    seen = ladder([precise(30), precise(20), precise(30), precise(31)])
    assert seen == (
        Release(30, 1, improved=True),
        Release(30, 1, improved=False),
        Release(30, 1, improved=False),
        Release(31, 1, improved=True),
    )


def test_small_improvements_are_measured_against_the_best_released_so_they_may_add_up() -> None:
    steps = [uncertain(score, 0.5 * place) for place, score in enumerate([10.0, 10.4, 10.9, 11.6])]
    assert [seen.improved for seen in ladder(steps)] == [True, False, False, True]


@pytest.mark.parametrize(
    ("score", "standard_error", "shown", "step"),
    [
        (27.75, 4.8, 30, 5),
        (6.1, 2.1, 6, 3),
        (12.5, 0.2, 12, 1),
        (13.5, 0.2, 14, 1),
        (50.0, 1.0, 50, 1),
        (90.0, 60.0, 60, 60),
        (99.0, 7.0, 98, 7),
    ],
)
def test_what_is_shown_is_the_nearest_multiple_of_the_standard_error_in_whole_units(
    score: float, standard_error: float, shown: float, step: float
) -> None:
    assert release(None, uncertain(score, standard_error)) == Release(shown, step, improved=True)


@given(contests())
def test_all_that_is_shown_is_whole_numbers_from_0_to_100(contest: dict[str, Jackknives]) -> None:
    for seen in ladder(list(contest.values())):
        assert 0 <= seen.shown <= 100
        assert seen.step >= 1
        assert seen.shown == int(seen.shown)
        assert seen.step == int(seen.step)
        assert seen.shown % seen.step == 0


def test_scores_on_other_zoos_cannot_continue_a_ladder() -> None:
    with pytest.raises(ComparisonError, match="not scored on the same zoos"):
        ladder([{"a": unmoved(0.1, 5)}, {"b": unmoved(0.2, 5)}])
