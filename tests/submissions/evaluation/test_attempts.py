"""What becomes of an attempt's runs and records when the submission ends, and what the next attempt begins with."""

from pathlib import Path

import pytest

from submissions.evaluation import outcomes, queue, retries
from submissions.evaluation.failure_disclosure import OurFault
from submissions.intake.bundle_store import BundleStore
from submissions.storage.database import Database
from submissions.storage.records import Purpose
from submissions.storage.states import State
from tests.factories import Competition, make_competition

pytestmark = pytest.mark.parametrize("any_db", ["sqlite"], indirect=True)


@pytest.fixture
def repeated(any_db: Database, store: BundleStore, tiny_zoo: Path) -> Competition:
    """A phase over 8 networks that are all evaluated a second time."""
    return make_competition(any_db, store, [tiny_zoo], smoke_networks=0, repeat_networks=100)


def test_whoever_holds_runs_of_a_cancelled_submission_holds_them_no_more(repeated: Competition) -> None:
    submission = repeated.submit(repeated.user())
    assert repeated.claim(batch=3) is not None
    assert outcomes.cancel(repeated.db, submission)
    assert queue.held_by(repeated.db, "w") == 0
    assert queue.owners(repeated.db) == set()


def test_runs_given_back_in_good_order_are_as_far_from_broken_as_before(repeated: Competition) -> None:
    submission = repeated.submit(repeated.user())
    for _ in range(retries.MAX_LOSSES):
        assert repeated.claim(batch=1) is not None
        assert queue.release(repeated.db, "w") == 1
    claim = repeated.claim(batch=1)
    assert claim is not None
    queue.give_back_broken(repeated.db, claim.runs[0].id, "w", OurFault.FILES, "the disk is full")
    assert repeated.submission(submission).state is State.RUNNING
    assert queue.pending(repeated.db) == 8
    others = repeated.claim()
    assert others is not None
    assert len(others.runs) == 7


def test_a_new_attempt_repeats_its_own_networks_once_each(repeated: Competition) -> None:
    submission = repeated.submit(repeated.user())
    for attempt in (1, 2):
        repeated.work_through()
        repeats = [
            evaluation.networks
            for evaluation in repeated.evaluations(submission)
            if (evaluation.attempt, evaluation.purpose) == (attempt, Purpose.REPEAT)
        ]
        assert repeats == [8]
        assert outcomes.rerun(repeated.db, submission)


def test_a_new_attempt_has_nothing_left_of_the_one_before(repeated: Competition) -> None:
    submission = repeated.submit(repeated.user())
    repeated.work_through()
    before = repeated.submission(submission)
    assert None not in (before.score, before.started_at, before.finished_at)
    assert outcomes.rerun(repeated.db, submission)
    now = repeated.submission(submission)
    assert (now.state, now.attempt) == (State.QUEUED, 2)
    assert {now.score, now.standard_error, now.shown_score, now.started_at, now.finished_at, now.detail} == {None}


def test_networks_are_claimed_in_the_order_that_was_drawn(repeated: Competition) -> None:
    """Not in that of their ids, which is the same for every submission."""
    ada = repeated.user()
    for _ in range(4):
        repeated.submit(ada)
    orders: dict[int, list[str]] = {}
    while (claim := repeated.claim(batch=1)) is not None:
        orders.setdefault(claim.submission_id, []).extend(run.network_id for run in claim.runs)
    assert [len(order) for order in orders.values()] == [8] * 4
    assert len({tuple(order) for order in orders.values()}) > 1
