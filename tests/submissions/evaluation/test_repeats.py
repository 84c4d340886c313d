"""Repeats: some networks once more after the score, shown and kept, and without a say in the score."""

import math
from pathlib import Path

import pytest

from submissions.evaluation import outcomes, queue
from submissions.evaluation.submission_progress import RepeatProgress
from submissions.intake.bundle_store import BundleStore
from submissions.storage.database import Database
from submissions.storage.records import Purpose
from submissions.storage.states import State
from tests.factories import Competition, make_competition


@pytest.fixture
def repeating(any_db: Database, store: BundleStore, tiny_zoo: Path, other_zoo: Path) -> Competition:
    return make_competition(any_db, store, [tiny_zoo, other_zoo], repeat_networks=3)


def scored(competition: Competition) -> int:
    """A submission that is scored and whose three repeats are waiting."""
    submission = competition.submit(competition.user())
    competition.work_through(Purpose.SMOKE)
    competition.work_through(Purpose.SCORE)
    queue.release(competition.db, "w")
    assert competition.submission(submission).state is State.SCORED
    return submission


def claims(competition: Competition) -> list[tuple[queue.Claim, queue.ClaimedRun]]:
    found = []
    while (claim := competition.claim()) is not None:
        assert claim.purpose is Purpose.REPEAT
        found += [(claim, run) for run in claim.runs]
    return found


def test_the_same_values_again_are_called_deterministic(repeating: Competition) -> None:
    submission = scored(repeating)
    score = repeating.submission(submission).score
    assert repeating.progress(submission).repeats == RepeatProgress(networks=3, done=0, differing=0)
    assert repeating.work_through() == 3
    assert repeating.progress(submission).repeats == RepeatProgress(networks=3, done=3, differing=0)
    assert repeating.submission(submission).score == score
    assert queue.pending(repeating.db) == 0


def test_another_value_is_told_and_changes_no_score(repeating: Competition) -> None:
    submission = scored(repeating)
    before = repeating.progress(submission)
    again = claims(repeating)
    for claim, run in again[:2]:
        assert repeating.record(claim, run, -1.0)
    assert repeating.record(*again[2], float(int(again[2][1].network_id, 16)))
    after = repeating.progress(submission)
    assert after.repeats == RepeatProgress(networks=3, done=3, differing=2)
    assert (after.state, after.score, after.zoos) == (before.state, before.score, before.zoos)


def test_the_smallest_difference_is_a_difference(any_db: Database, store: BundleStore, tiny_zoo: Path) -> None:
    competition = make_competition(any_db, store, [tiny_zoo], repeat_networks=1, smoke_networks=0)
    submission = competition.submit(competition.user())
    claim = competition.claim()
    assert claim is not None
    for run in claim.runs:
        assert competition.record(claim, run, 0.1)
    ((claim, run),) = claims(competition)
    assert competition.record(claim, run, math.nextafter(0.1, 1))
    assert competition.progress(submission).repeats == RepeatProgress(networks=1, done=1, differing=1)


def test_a_repeat_that_fails_counts_as_another_value_and_fails_nothing(repeating: Competition) -> None:
    submission = scored(repeating)
    for claim, run in claims(repeating):
        assert repeating.fail(claim, run)
    told = repeating.progress(submission)
    assert (told.state, told.reason, told.failure) == (State.SCORED, None, None)
    assert told.repeats == RepeatProgress(networks=3, done=3, differing=3)


def test_a_repeat_that_is_our_fault_is_dropped(repeating: Competition) -> None:
    submission = scored(repeating)
    while repeating.claim(batch=1) is not None:
        queue.release(repeating.db, "w")
        assert repeating.fail_by_our_fault() > 1
    told = repeating.progress(submission)
    assert told.state is State.SCORED
    assert told.repeats == RepeatProgress(networks=3, done=0, differing=0)
    assert queue.owners(repeating.db) == set()


def test_repeats_wait_for_everybody_elses_first_runs(repeating: Competition) -> None:
    scored(repeating)
    other = repeating.submit(repeating.user("bob"))
    repeating.work_through(Purpose.SMOKE)
    queue.release(repeating.db, "w")
    claim = repeating.claim()
    assert claim is not None
    assert (claim.submission_id, claim.purpose) == (other, Purpose.SCORE)


def test_a_rerun_drops_the_repeats_of_the_attempt_before(repeating: Competition) -> None:
    submission = scored(repeating)
    waiting = claims(repeating)
    assert outcomes.rerun(repeating.db, submission)
    assert not repeating.record(*waiting[0])
    assert repeating.work_through() == 2 + 20 + 3
    assert repeating.progress(submission).repeats == RepeatProgress(networks=3, done=3, differing=0)


def test_no_more_repeats_than_networks(any_db: Database, store: BundleStore, tiny_zoo: Path) -> None:
    competition = make_competition(any_db, store, [tiny_zoo], repeat_networks=100, smoke_networks=0)
    submission = competition.submit(competition.user())
    assert competition.work_through() == 16
    assert competition.progress(submission).repeats == RepeatProgress(networks=8, done=8, differing=0)
