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
