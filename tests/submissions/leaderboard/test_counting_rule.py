"""Which submission counts where two are alike, and what is shown of it: the rule itself, without a database."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from scoring import Jackknives, step_of
from submissions.leaderboard.counting_rule import LEAST_STEP, Entry, Rules, counting, decided, on_board, shown_error
from submissions.storage.records import CountRule
from submissions.storage.states import State
from tests.records import START
from tests.scoring.jackknives import of_mean

ENTRY = Entry(
    id=1,
    state=State.SCORED,
    score=10.0,
    standard_error=0.126,
    shown_score=10.0,
    is_released=True,
    is_chosen=False,
    is_hidden=False,
    is_disqualified=False,
    is_baseline=False,
    is_reference=False,
    track="standard",
    created_at=START,
    finished_at=START + timedelta(minutes=1),
)
BEST, LAST, CHOSEN = (Rules(rule, False, None) for rule in (CountRule.BEST, CountRule.LAST, CountRule.CHOSEN))
LADDER = Rules(CountRule.BEST, True, None)
TWIN = replace(ENTRY, id=2)


@pytest.mark.parametrize(("rules", "counts"), [(BEST, 1), (LAST, 2), (CHOSEN, 1), (LADDER, 2)])
def test_of_two_made_at_the_same_moment_with_the_same_score_the_number_decides(rules: Rules, counts: int) -> None:
    for entries in ([ENTRY, TWIN], [TWIN, ENTRY]):
        found = counting(entries, rules)
        assert found is not None
        assert found.id == counts


def test_of_equal_scores_the_earlier_counts_whatever_its_number() -> None:
    earlier = replace(TWIN, created_at=START - timedelta(seconds=1))
    assert counting([ENTRY, earlier], BEST) is earlier
    assert counting([ENTRY, earlier], LAST) is ENTRY


def test_the_best_is_that_by_the_score_itself_not_as_it_is_shown() -> None:
    better = replace(TWIN, score=10.001, created_at=START + timedelta(days=1))
    assert counting([ENTRY, better], BEST) is better


def test_where_nothing_was_chosen_or_the_chosen_one_is_out_the_best_counts() -> None:
    better = replace(TWIN, score=11.0)
    chosen = replace(ENTRY, is_chosen=True)
    assert counting([chosen, better], CHOSEN) is chosen
    assert counting([ENTRY, better], CHOSEN) is better
    assert counting([replace(chosen, is_hidden=True), better], CHOSEN) is better


@pytest.mark.parametrize("out", [{"is_hidden": True}, {"is_disqualified": True}, {"state": State.QUEUED}])
def test_what_is_out_counts_neither_as_a_score_nor_as_a_submission(out: dict[str, object]) -> None:
    gone = replace(ENTRY, score=99.0, **out)  # type: ignore[arg-type]
    for rules in (BEST, LAST, CHOSEN, LADDER):
        assert counting([gone], rules) is None
        assert counting([gone, TWIN], rules) is TWIN
        assert on_board([gone, TWIN], rules) == 1


@pytest.mark.parametrize(("gain", "is_released"), [(LEAST_STEP, False), (LEAST_STEP + 0.25, True)])
def test_without_jackknives_the_ladder_asks_for_more_than_its_least_step(gain: float, is_released: bool) -> None:
    second = replace(
        TWIN, score=10.0 + gain, shown_score=None, is_released=False, finished_at=START + timedelta(hours=1)
    )
    now = decided([ENTRY, second], LADDER, lambda _: {})
    assert [entry.is_released for entry in now] == [True, is_released]


def test_two_submissions_are_compared_by_their_jackknives() -> None:
    """A gain below the least step is released where the difference has no error at all."""
    second = replace(TWIN, score=10.5, shown_score=None, is_released=False, finished_at=START + timedelta(hours=1))
    jackknives = {1: {"zoo": of_mean([0.1] * 4)}, 2: {"zoo": of_mean([0.105] * 4)}}
    asked: list[Sequence[int]] = []

    def load(ids: Sequence[int]) -> Mapping[int, Jackknives]:
        asked.append(ids)
        return jackknives

    now = decided([ENTRY, second], LADDER, load)
    assert [entry.is_released for entry in now] == [True, True]
    assert asked == [[1, 2]]


def test_the_error_beside_a_score_is_rounded_and_on_the_ladder_its_step() -> None:
    assert shown_error(ENTRY, BEST) == 0.13
    assert shown_error(ENTRY, LADDER) == float(step_of(0.126))
    assert shown_error(replace(ENTRY, is_baseline=True), LADDER) == 0.13
    assert shown_error(replace(ENTRY, standard_error=None), BEST) is None


def none_needed(ids: Sequence[int]) -> Mapping[int, Jackknives]:
    """What loads jackknives where none are necessary."""
    raise AssertionError(f"asked for {ids}")


def waiting(number: int, score: float | None, hours: int = 1, **fields: object) -> Entry:
    """A submission of which nothing has been decided, scored so many hours after ENTRY."""
    at = ENTRY.scored_at[0] + timedelta(hours=hours)
    undecided = replace(ENTRY, id=number, score=score, shown_score=None, is_released=False, finished_at=at)
    return replace(undecided, **fields)  # type: ignore[arg-type]


def shown(entries: Sequence[Entry], rules: Rules, **how: bool) -> dict[int, tuple[float | None, bool]]:
    """Score as shown and whether it was released, of each, without jackknives."""
    return {entry.id: (entry.shown_score, entry.is_released) for entry in decided(entries, rules, lambda _: {}, **how)}


def test_without_the_ladder_every_score_is_shown_and_none_is_released() -> None:
    entries = [ENTRY, waiting(2, 12.3456), waiting(3, 99.0, state=State.QUEUED), replace(ENTRY, id=4, is_hidden=True)]
    now = {entry.id: (entry.shown_score, entry.is_released) for entry in decided(entries, BEST, none_needed)}
    assert now == {1: (10.0, False), 2: (12.35, False), 3: (None, False), 4: (10.0, False)}


def test_a_baseline_is_shown_its_score_where_others_climb_the_ladder() -> None:
    (now,) = decided([waiting(1, 12.3456, is_baseline=True)], LADDER, none_needed)
    assert (now.shown_score, now.is_released) == (12.35, False)
    assert counting([now], LADDER) is now


def test_a_first_score_is_released_without_a_look_at_jackknives() -> None:
    (now,) = decided([waiting(1, 10.4)], LADDER, none_needed)
    assert (now.shown_score, now.is_released) == (10.0, True)


def test_what_the_ladder_has_decided_stays() -> None:
    second = waiting(2, 50.0, shown_score=10.0)
    assert decided([second, ENTRY], LADDER, none_needed) == (ENTRY, second)


def test_the_ladder_compares_with_the_score_that_it_released_last() -> None:
    entries = [ENTRY, waiting(2, 15.0, 1, shown_score=15.0, is_released=True), waiting(3, 15.5, 2, shown_score=15.0)]
    assert shown([*entries, waiting(4, 15.9, 3)], LADDER)[4] == (15.0, False)
    assert shown([*entries, waiting(4, 16.5, 3)], LADDER)[4] == (16.0, True)


def test_each_new_submission_is_compared_with_the_best_before_it() -> None:
    entries = [waiting(4, 15.5, 4), waiting(2, 13.0, 2), waiting(3, 12.0, 3), waiting(1, 10.0, 1)]
    assert shown(entries, LADDER) == {1: (10.0, True), 2: (13.0, True), 3: (13.0, False), 4: (16.0, True)}


def test_decisions_are_made_anew_when_asked_or_when_one_that_was_shown_is_out() -> None:
    """Else the second would go on showing the score of the first."""
    first, second = ENTRY, waiting(2, 10.5, shown_score=10.0)
    best = waiting(3, 30.0, 2, shown_score=30.0, is_released=True)
    wrong = replace(second, shown_score=99.0, is_released=True)
    assert shown([first, wrong], LADDER, anew=True) == {1: (10.0, True), 2: (10.0, False)}
    assert shown([replace(first, is_hidden=True), second, best], LADDER) == {
        1: (None, False),
        2: (10.0, True),
        3: (30.0, True),
    }
    never_shown = replace(first, is_hidden=True, shown_score=None)
    assert shown([never_shown, wrong], LADDER) == {1: (None, False), 2: (99.0, True)}


def test_a_score_of_nought_is_a_score() -> None:
    nought, half = waiting(1, 0.0), waiting(2, 0.5, 2)
    assert counting([nought, half], BEST) is half
    assert on_board([nought, half], BEST) == 2
    assert shown([nought, waiting(2, LEAST_STEP + 0.5, 2)], LADDER) == {1: (0.0, True), 2: (2.0, True)}
    assert shown([waiting(1, 1.0), waiting(2, 0.0, 2)], LADDER) == {1: (1.0, True), 2: (1.0, False)}


def test_a_score_is_shown_in_steps_of_its_own_error() -> None:
    assert shown([waiting(1, 17.0, standard_error=9.5)], LADDER) == {1: (20.0, True)}
    assert shown([waiting(1, 17.4, standard_error=None)], LADDER) == {1: (17.0, True)}
    assert shown_error(waiting(1, 17.0, standard_error=9.5), LADDER) == 10.0
    assert shown_error(waiting(1, 17.0, standard_error=None), LADDER) == 1.0


@pytest.mark.parametrize(
    "known",
    [
        {1: {"zoo": of_mean([0.1] * 4)}},
        {2: {"zoo": of_mean([0.105] * 4)}},
        {1: {"zoo": of_mean([0.1] * 4)}, 2: {"other": of_mean([0.105] * 4)}},
    ],
    ids=["the new one's are missing", "the best one's are missing", "of other zoos"],
)
def test_where_jackknives_do_not_compare_the_least_step_decides(known: Mapping[int, Jackknives]) -> None:
    for gain, is_released in ((LEAST_STEP, False), (LEAST_STEP + 0.25, True)):
        now = decided([ENTRY, waiting(2, 10.0 + gain)], LADDER, lambda _: known)
        assert [entry.is_released for entry in now] == [True, is_released]


def test_jackknives_decide_against_a_gain_that_is_within_their_error() -> None:
    """Which of the two is the new one matters: the same difference downwards is none at all."""
    known = {1: {"zoo": of_mean([0.1] * 4)}, 2: {"zoo": of_mean([0.05, 0.1, 0.2, 0.13])}}
    assert [entry.is_released for entry in decided([ENTRY, waiting(2, 12.0)], LADDER, lambda _: known)] == [True, False]
    known = {1: {"zoo": of_mean([0.2] * 4)}, 2: {"zoo": of_mean([0.1] * 4)}}
    assert [entry.is_released for entry in decided([ENTRY, waiting(2, 30.0)], LADDER, lambda _: known)] == [True, False]


def test_a_frozen_board_knows_what_was_scored_before() -> None:
    freeze = Rules(CountRule.BEST, False, ENTRY.finished_at)
    better = waiting(2, 99.0)
    earlier = waiting(3, 5.0, -1)
    assert counting([ENTRY, better, earlier], freeze) is earlier
    assert on_board([ENTRY, better, earlier], freeze) == 1
    assert on_board([replace(ENTRY, finished_at=None)], freeze) == 1
    assert counting([ENTRY, better], freeze) is None
