"""One bit per question: the level of each test, the budget, and a team that asks for noise."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scoring.decisions.comparison import Jackknives
from scoring.decisions.holdout import GenericHoldout
from scoring.errors import ComparisonError, HoldoutError
from tests.scoring.jackknives import of_mean, unmoved


def questions_in_the_tree(queries: int, yes_answers: int) -> int:
    """Nodes of the decision tree at which a question is put, by walking it."""
    if queries == 0 or yes_answers == 0:
        return 0
    return 1 + questions_in_the_tree(queries - 1, yes_answers - 1) + questions_in_the_tree(queries - 1, yes_answers)


@pytest.mark.parametrize(("queries", "yes_answers"), [(k, s) for k in range(1, 11) for s in range(1, k + 1)])
def test_the_level_is_shared_among_the_questions_of_the_decision_tree(queries: int, yes_answers: int) -> None:
    holdout = GenericHoldout(queries, yes_answers, delta=1, alpha=0.1)
    assert holdout.level == pytest.approx(0.1 / questions_in_the_tree(queries, yes_answers), rel=1e-15)


def test_with_one_yes_allowed_it_is_bonferroni() -> None:
    assert GenericHoldout(queries=100, yes_answers=1, delta=0).level == pytest.approx(0.05 / 100)


@given(st.integers(1, 10**9), st.integers(1, 5))
def test_the_level_is_exact_for_any_number_of_questions(queries: int, yes_answers: int) -> None:
    chosen = min(queries, yes_answers)
    nodes = sum(math.comb(queries, i) for i in range(1, chosen + 1))
    assert GenericHoldout(queries, chosen, delta=0).level == pytest.approx(0.05 / nodes, rel=1e-15)


@pytest.mark.parametrize(("asked", "expected"), [(0, True), (19, True)])
def test_a_clear_improvement_gets_a_yes(asked: int, expected: bool) -> None:
    holdout = GenericHoldout(queries=20, yes_answers=2, delta=5)
    new, reference = {"zoo": of_mean([0.8, 0.82, 0.79, 0.81, 0.8])}, {"zoo": of_mean([0.5, 0.52, 0.49, 0.5, 0.51])}
    assert holdout.answer(new, reference, asked, granted=0) is expected
    assert holdout.answer(reference, new, asked, granted=0) is False


@pytest.mark.parametrize("against_a_submission", [True, False])
def test_the_answer_is_whether_the_lower_bound_at_the_level_exceeds_delta(against_a_submission: bool) -> None:
    numbers = np.random.default_rng(3).normal(0.6, 0.2, size=30)
    others = np.random.default_rng(4).normal(0.4, 0.1, size=30) if against_a_submission else np.full(30, 0.4)
    gains = 100 * (numbers - others)
    reference: Jackknives | float = {"zoo": of_mean(others.tolist())} if against_a_submission else 40.0
    level = 0.05 / (50 + 50 * 49 / 2)
    bound = float(gains.mean() - stats.norm.isf(level) * gains.std(ddof=1) / math.sqrt(30))
    assert bound > 0.1
    for delta, expected in ((bound - 1e-6, True), (bound + 1e-6, False)):
        holdout = GenericHoldout(queries=50, yes_answers=2, delta=delta)
        assert holdout.answer({"zoo": of_mean(numbers.tolist())}, reference, asked=0, granted=0) is expected


def test_the_same_improvement_no_longer_passes_where_many_more_questions_are_allowed() -> None:
    numbers = np.random.default_rng(3).normal(0.6, 0.2, size=30).tolist()
    answers = [
        GenericHoldout(queries, yes_answers=1, delta=5).answer({"zoo": of_mean(numbers)}, 40.0, 0, 0)
        for queries in (1, 10, 10**3, 10**6, 10**12, 10**60)
    ]
    assert answers == sorted(answers, reverse=True)
    assert set(answers) == {True, False}


def test_levels_far_below_float64s_precision_still_make_a_bound() -> None:
    holdout = GenericHoldout(queries=10**60, yes_answers=4, delta=0)
    assert 0 < holdout.level < 1e-237
    z = float(stats.norm.isf(holdout.level))
    for score, expected in ((z * 1.001, True), (z * 0.999, False)):
        numbers = [score / 100 + 0.01 * math.sqrt(15) * (-1) ** i for i in range(16)]  # standard error 1
        assert holdout.answer({"zoo": of_mean(numbers)}, 0.0, 0, 0) is expected


def test_equal_to_the_reference_is_no_improvement() -> None:
    scores = {"zoo": of_mean([0.1, 0.5, 0.3])}
    assert GenericHoldout(queries=1, yes_answers=1, delta=0).answer(scores, dict(scores), 0, 0) is False
    assert GenericHoldout(queries=1, yes_answers=1, delta=0).answer({"zoo": unmoved(0.5, 9)}, 50.0, 0, 0) is False


def test_when_the_questions_or_the_yes_answers_are_used_up_there_is_no_answer() -> None:
    holdout = GenericHoldout(queries=3, yes_answers=2, delta=0)
    scores = {"zoo": of_mean([0.1, 0.5, 0.3])}
    with pytest.raises(HoldoutError, match="all 3 questions of this phase have been asked"):
        holdout.answer(scores, 0.0, asked=3, granted=1)
    with pytest.raises(HoldoutError, match="2 questions were answered yes, as many as this phase allows"):
        holdout.answer(scores, 0.0, asked=2, granted=2)
    for asked, granted in ((1, 2), (0, -1), (-1, -1)):
        with pytest.raises(HoldoutError, match=f"of {asked} questions asked, {granted} cannot"):
            holdout.answer(scores, 0.0, asked, granted)


@pytest.mark.parametrize(
    ("queries", "yes_answers", "delta", "alpha", "message"),
    [
        (0, 1, 1, 0.05, "may ask 0 questions"),
        (5, 6, 1, 0.05, "may get 6 yes answers to 5 questions; allow from 1 to 5"),
        (5, 0, 1, 0.05, "may get 0 yes answers"),
        (5, 1, 1, 0, "alpha is 0"),
        (5, 1, 1, 1, "alpha is 1"),
        (5, 1, 1, math.nan, "alpha is nan"),
        (5, 1, -1, 0.05, "delta is -1"),
        (5, 1, math.inf, 0.05, "delta is inf"),
        (5, 1, math.nan, 0.05, "delta is nan"),
        (10**6, 10**5, 1, 0.05, "1000000 questions with up to 100000 yes answers leave each test a level below 1e-300"),
    ],
)
def test_rules_that_make_no_sense_are_refused(
    queries: int, yes_answers: int, delta: float, alpha: float, message: str
) -> None:
    with pytest.raises(HoldoutError, match=message):
        GenericHoldout(queries, yes_answers, delta, alpha)


def test_a_reference_on_other_zoos_is_refused() -> None:
    with pytest.raises(ComparisonError, match="not scored on the same zoos"):
        GenericHoldout(5, 1, delta=0).answer({"a": unmoved(0.5, 5)}, {"b": unmoved(0.5, 5)}, 0, 0)


def yes_answers_to_noise(holdout: GenericHoldout, corrected: bool, random: np.random.Generator) -> int:
    """How often a team is told yes whose submissions mix columns of private noise, none better than the reference.

    The mixtures are random, and after a yes also close to those that got one. Not corrected: every question
    is tested as if it were the only one.
    """
    private = random.normal(size=(60, 20))
    granted, liked = 0, np.zeros(20)
    for asked in range(holdout.queries):
        mixed = liked + random.normal(size=20)
        mixed /= np.linalg.norm(mixed)
        scores = {"zoo": of_mean((0.5 + private @ mixed / 10).tolist())}
        if corrected:
            yes = holdout.answer(scores, 50.0, asked, granted)
        else:
            yes = GenericHoldout(1, 1, holdout.delta, holdout.alpha).answer(scores, 50.0, asked=0, granted=0)
        if yes:
            granted += 1
            liked += mixed
        if granted == holdout.yes_answers:
            break
    return granted


def test_a_team_that_adapts_noise_to_the_answers_is_told_yes_with_probability_up_to_alpha() -> None:
    random = np.random.default_rng(2018)
    holdout = GenericHoldout(queries=20, yes_answers=2, delta=0, alpha=0.05)
    teams = 300
    told_yes = sum(yes_answers_to_noise(holdout, True, random) > 0 for _ in range(teams))
    told_yes_uncorrected = sum(yes_answers_to_noise(holdout, False, random) > 0 for _ in range(teams))
    assert told_yes / teams <= holdout.alpha
    assert told_yes_uncorrected / teams > 0.5
