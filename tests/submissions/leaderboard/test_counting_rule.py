"""Which submission counts where two are alike, and what is shown of it: the rule itself, without a database."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from scoring import Jackknives
from submissions.leaderboard.counting_rule import Entry, Rules, counting, decided, on_board, shown_error
from submissions.storage.records import CountRule, Tells, utc_now
from submissions.storage.states import State
from tests.records import START
from tests.scoring.jackknives import of_mean

ENTRY = Entry(
    id=1,
    state=State.SCORED,
    score=10.0,
    standard_error=0.126,
    shown_score=10.0,
    lower_bound=9.8,
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
BEST, LAST, CHOSEN = (Rules(rule, False, 1.0, None) for rule in (CountRule.BEST, CountRule.LAST, CountRule.CHOSEN))
LADDER = Rules(CountRule.BEST, True, 0.5, None)
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
        if rules is not LADDER or gone.is_out:  # what is evaluated again keeps its place on the Ladder
            assert counting([gone], rules) is None
        assert counting([gone, TWIN], rules) is TWIN
        assert on_board([gone, TWIN], rules) == 1


def undecided(number: int, score: float, **fields: object) -> Entry:
    return replace(TWIN, id=number, score=score, shown_score=None, lower_bound=None, is_released=False, **fields)  # type: ignore[arg-type]


def sure(scores: Mapping[int, float]) -> Callable[[Sequence[int]], Mapping[int, Jackknives]]:
    """Jackknives without any error, for these submissions."""
    known = {number: {"zoo": of_mean([score / 100] * 4)} for number, score in scores.items()}
    return lambda ids: {number: known[number] for number in ids if number in known}


def shown(entries: Sequence[Entry]) -> list[tuple[int, float | None, bool]]:
    return [(entry.id, entry.shown_score, entry.is_released) for entry in entries]


def test_the_bound_of_a_released_score_is_kept_and_no_other() -> None:
    first, second = decided([undecided(1, 60.0), undecided(2, 50.0)], LADDER, sure({1: 60.0, 2: 50.0}))
    assert first.is_released
    assert first.lower_bound == pytest.approx(60.0)
    assert (second.is_released, second.shown_score, second.lower_bound) == (False, 60.0, None)


def test_of_a_score_without_a_jackknife_nothing_is_certain() -> None:
    assert shown(decided([undecided(1, 60.0)], LADDER, sure({}))) == [(1, 0.0, True)]
    assert shown(decided([ENTRY, undecided(2, 60.0)], LADDER, sure({}))) == [(1, 10.0, True), (2, 10.0, False)]


def test_jackknives_are_read_only_of_what_may_be_released() -> None:
    asked: list[Sequence[int]] = []

    def load(ids: Sequence[int]) -> Mapping[int, Jackknives]:
        asked.append(ids)
        return sure({1: 10.0, 3: 10.5, 4: 12.0, 5: 11.0})(ids)

    new = [undecided(number, score) for number, score in ((2, 10.4), (3, 10.5), (4, 12.0), (5, 11.0))]
    now = decided([ENTRY, *new], LADDER, load)
    assert shown(now) == [(1, 10.0, True), (2, 10.0, False), (3, 10.5, True), (4, 12.0, True), (5, 12.0, False)]
    assert asked == [[3, 4, 5], [1]]


def test_the_order_of_acceptance_decides_not_that_of_scoring() -> None:
    first = undecided(1, 22.0, finished_at=START + timedelta(hours=9))
    second = undecided(2, 11.0, finished_at=START + timedelta(hours=1))
    for entries in ([first, second], [second, first]):
        assert shown(decided(entries, LADDER, sure({1: 22.0, 2: 11.0}))) == [(1, 22.0, True), (2, 22.0, False)]


def test_what_was_accepted_after_an_awaited_one_waits_for_its_end() -> None:
    load = sure({1: 22.0, 2: 11.0})
    awaited, second = undecided(1, 0.0, state=State.RUNNING), undecided(2, 11.0)
    assert shown(decided([awaited, second], LADDER, load)) == [(1, None, False), (2, None, False)]
    failed = replace(awaited, state=State.FAILED, score=None)
    assert shown(decided([failed, second], LADDER, load)) == [(1, None, False), (2, 11.0, True)]
    hidden = replace(awaited, is_hidden=True)
    assert shown(decided([hidden, second], LADDER, load)) == [(1, None, False), (2, 11.0, True)]


def test_a_re_run_keeps_what_was_shown_until_its_new_score_and_then_all_is_decided_anew() -> None:
    load = sure({1: 22.0, 2: 30.0})
    before = decided([undecided(1, 22.0), undecided(2, 30.0)], LADDER, load)
    again = (replace(before[0], state=State.QUEUED, score=None, finished_at=None), before[1])
    meanwhile = decided(again, LADDER, load)
    assert shown(meanwhile) == shown(before) == [(1, 22.0, True), (2, 30.0, True)]
    assert counting(meanwhile, LADDER) is meanwhile[1]
    assert counting(meanwhile[:1], LADDER) is meanwhile[0]
    rescored = (replace(meanwhile[0], state=State.SCORED, score=40.0), meanwhile[1])
    now = decided(rescored, LADDER, sure({1: 40.0, 2: 30.0}), anew=True)
    assert shown(now) == [(1, 40.0, True), (2, 40.0, False)]
    assert shown(decided(meanwhile, LADDER, load, forget=True)) == [(1, None, False), (2, None, False)]


def test_submissions_of_others_who_share_a_person_are_part_of_the_history() -> None:
    load = sure({1: 22.0, 2: 11.0, 3: 30.0})
    theirs, own = [undecided(1, 22.0)], [undecided(2, 11.0), undecided(3, 30.0)]
    now = decided(own, LADDER, load, others=theirs)
    assert shown(now) == [(2, None, False), (3, 30.0, True)]
    later = decided(
        [*own, undecided(4, 25.0)],
        LADDER,
        sure({1: 22.0, 2: 11.0, 3: 30.0, 5: 40.0}),
        others=[*theirs, undecided(5, 40.0)],
    )
    assert shown(later) == [(2, None, False), (3, 30.0, True), (4, 30.0, False)]
    counted = counting(now, LADDER)
    assert counted is not None
    assert counted.id == 3
    assert counting(now[:1], LADDER) is None


def test_a_decision_of_an_older_release_is_made_again() -> None:
    old = replace(ENTRY, shown_score=12.0, lower_bound=None)
    assert shown(decided([old, undecided(2, 5.0)], LADDER, sure({1: 10.0}))) == [(1, 10.0, True), (2, 10.0, False)]


def test_a_submission_that_is_evaluated_again_is_not_on_a_frozen_board() -> None:
    frozen = replace(LADDER, freezes_at=START + timedelta(hours=1))
    assert counting([ENTRY], frozen) is ENTRY
    again = replace(ENTRY, state=State.QUEUED, finished_at=None)
    assert counting([again], frozen) is None
    assert counting([again], replace(frozen, freezes_at=utc_now() + timedelta(hours=1))) is again


def test_the_error_beside_a_score_is_rounded_and_there_is_none_on_the_ladder() -> None:
    assert shown_error(ENTRY, BEST) == 0.13
    assert shown_error(ENTRY, LADDER) is None
    assert shown_error(replace(ENTRY, is_baseline=True), LADDER) == 0.13
    assert shown_error(replace(ENTRY, standard_error=None), BEST) is None


def none_needed(ids: Sequence[int]) -> Mapping[int, Jackknives]:
    """What loads jackknives where none are necessary."""
    raise AssertionError(f"asked for {ids}")


def waiting(number: int, score: float | None, hours: int = 1, **fields: object) -> Entry:
    """A submission of which nothing has been decided, scored so many hours after ENTRY."""
    assert ENTRY.finished_at is not None
    at = ENTRY.finished_at + timedelta(hours=hours)
    return replace(undecided(number, 0.0), score=score, finished_at=at, **fields)  # type: ignore[arg-type]


def test_without_the_ladder_every_score_is_shown_and_none_is_released() -> None:
    entries = [ENTRY, waiting(2, 12.3456), waiting(3, 99.0, state=State.QUEUED), replace(ENTRY, id=4, is_hidden=True)]
    now = {entry.id: (entry.shown_score, entry.is_released) for entry in decided(entries, BEST, none_needed)}
    assert now == {1: (10.0, False), 2: (12.35, False), 3: (None, False), 4: (10.0, False)}


def test_a_baseline_is_shown_its_score_where_others_climb_the_ladder() -> None:
    (now,) = decided([waiting(1, 12.3456, is_baseline=True)], LADDER, none_needed)
    assert (now.shown_score, now.is_released) == (12.35, False)
    assert counting([now], LADDER) is now


def test_a_score_of_nought_is_a_score() -> None:
    nought, half = waiting(1, 0.0), waiting(2, 0.5, 2)
    assert counting([nought, half], BEST) is half
    assert on_board([nought, half], BEST) == 2


def test_jackknives_decide_against_a_gain_that_is_within_their_error() -> None:
    """Which of the two is the new one matters: the same difference downwards is none at all."""
    known = {1: {"zoo": of_mean([0.1] * 4)}, 2: {"zoo": of_mean([0.05, 0.1, 0.2, 0.13])}}
    assert [entry.is_released for entry in decided([ENTRY, waiting(2, 12.0)], LADDER, lambda _: known)] == [True, False]
    known = {1: {"zoo": of_mean([0.2] * 4)}, 2: {"zoo": of_mean([0.1] * 4)}}
    assert [entry.is_released for entry in decided([ENTRY, waiting(2, 30.0)], LADDER, lambda _: known)] == [True, False]


def test_a_frozen_board_knows_what_was_scored_before() -> None:
    freeze = Rules(CountRule.BEST, False, 1.0, ENTRY.finished_at)
    better = waiting(2, 99.0)
    earlier = waiting(3, 5.0, -1)
    assert counting([ENTRY, better, earlier], freeze) is earlier
    assert on_board([ENTRY, better, earlier], freeze) == 1
    assert counting([ENTRY, better], freeze) is None


def test_of_a_secret_truth_scores_are_shown_in_steps_and_compared_as_shown() -> None:
    secret = replace(BEST, has_secret_truth=True, score_step=5.0)
    first = waiting(1, 10.4, score_in_steps=10.0)
    better = waiting(2, 11.9, score_in_steps=10.0, created_at=START + timedelta(hours=1))
    assert [entry.shown_score for entry in decided([first, better], secret, none_needed)] == [10.0, 10.0]
    assert counting([first, better], secret) is first
    assert shown_error(first, secret) is None
    for open_ in (replace(secret, is_revealed=True), replace(secret, tells=Tells.EVERYTHING)):
        assert [entry.shown_score for entry in decided([first, better], open_, none_needed)] == [10.4, 11.9]
        assert counting([first, better], open_) is better
        assert shown_error(first, open_) == 0.13
