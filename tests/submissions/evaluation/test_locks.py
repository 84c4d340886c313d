"""Workers, sweepers and people at the same submission at once, on PostgreSQL: what the locks and looks are for."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from submissions.evaluation import outcomes, queue
from submissions.evaluation.failure_disclosure import OurFault
from submissions.storage.database import Database
from submissions.storage.records import RunRecord, SubmissionRecord, utc_now
from submissions.storage.states import State
from tests.factories import Competition
from tests.overlap import overlap

LEASE_S = 60.0

pytestmark = pytest.mark.parametrize("any_db", ["postgresql"], indirect=True)


def test_of_two_last_values_at_once_the_later_one_scores(competition: Competition) -> None:
    submission = competition.submit(competition.user())
    claims = []
    while (claim := competition.claim()) is not None:
        claims.append(claim)
        for number, run in enumerate(claim.runs[2:]):
            assert competition.record(claim, run, float(number))
    for claim in claims:
        first, second = (partial(competition.record, claim, run, 0.5) for run in claim.runs[:2])
        assert overlap(competition.db, first, second) == (True, True)
    assert competition.submission(submission).state is State.SCORED
    assert {evaluation.state for evaluation in competition.evaluations(submission)} == {State.SCORED}


def test_two_claims_at_once_get_different_runs(competition: Competition) -> None:
    competition.submit(competition.user())
    first, second = overlap(
        competition.db, lambda: competition.claim("one", batch=3), lambda: competition.claim("two", batch=3)
    )
    assert first is not None
    assert second is not None
    assert len({run.id for claim in (first, second) for run in claim.runs}) == 6


@pytest.mark.parametrize(
    "end",
    [
        lambda submission: setattr(submission, "state", State.CANCELLED),
        lambda submission: setattr(submission, "attempt", 2),
    ],
    ids=["ended", "begun anew"],
)
def test_nothing_is_claimed_of_what_ended_between_the_choice_and_the_lock(
    competition: Competition, end: Callable[[SubmissionRecord], None]
) -> None:
    """Whoever ends it, and whether or not its runs have left the queue with it."""
    submission = competition.submit(competition.user())

    def end_it() -> None:
        with competition.db.write() as session:
            end(session.get_one(SubmissionRecord, submission))

    _, claim = overlap(competition.db, end_it, competition.claim)
    assert claim is None
    assert competition.submission(submission).started_at is None


def test_of_a_submission_that_is_cancelled_meanwhile_nothing_is_claimed(competition: Competition) -> None:
    submission = competition.submit(competition.user())
    assert overlap(competition.db, lambda: outcomes.cancel(competition.db, submission), competition.claim) == (
        True,
        None,
    )
    assert competition.submission(submission).state is State.CANCELLED


def test_a_lease_that_is_renewed_while_a_sweeper_looks_is_kept(competition: Competition) -> None:
    db = competition.db
    competition.submit(competition.user())
    now = utc_now()
    claim = queue.claim(db, "w", batch=1, lease_s=LEASE_S, now=now)
    assert claim is not None
    later = now + timedelta(seconds=LEASE_S + 1)
    _, renewed = overlap(
        db,
        lambda: queue.sweep(db, later),
        lambda: queue.heartbeat(db, "w", lease_s=LEASE_S, now=later),
        at="FOR UPDATE",
    )
    assert (queue.pending(db), renewed) == (19, 1)
    assert queue.held_by(db, "w") == 1
    assert competition.record(claim, claim.runs[0])


def test_a_lease_is_not_renewed_while_a_sweeper_takes_it(competition: Competition) -> None:
    db = competition.db
    competition.submit(competition.user())
    assert competition.claim(batch=5) is not None
    later = utc_now() + timedelta(seconds=LEASE_S + 1)
    _, renewed = overlap(
        db, lambda: queue.sweep(db, later), lambda: queue.heartbeat(db, "w", lease_s=LEASE_S), at="UPDATE runs"
    )
    assert renewed == queue.held_by(db, "w") == 0


def test_of_two_sweepers_at_once_one_counts_the_loss(competition: Competition) -> None:
    db = competition.db
    competition.submit(competition.user())
    assert competition.claim(batch=5) is not None
    later = utc_now() + timedelta(seconds=LEASE_S + 1)
    overlap(db, lambda: queue.sweep(db, later), lambda: queue.sweep(db, later), at="FOR UPDATE")
    assert queue.pending(db) == 20
    assert sorted(run.losses for run in competition.runs()) == [0] * 7 + [1]


@pytest.mark.parametrize(
    "give_back",
    [
        lambda db, run_id: queue.give_back_broken(db, run_id, "w", OurFault.FILES, "the disk is full"),
        lambda db, _run_id: queue.sweep(db, utc_now() + timedelta(seconds=LEASE_S + 1)),
    ],
    ids=["given back", "swept"],
)
def test_a_run_that_is_given_back_while_somebody_cancels_stays_out_of_the_queue(
    competition: Competition, give_back: Callable[[Database, int], object]
) -> None:
    submission = competition.submit(competition.user())
    claim = competition.claim(batch=1)
    assert claim is not None
    (run,) = claim.runs
    overlap(
        competition.db,
        lambda: outcomes.cancel(competition.db, submission),
        lambda: give_back(competition.db, run.id),
    )
    with competition.db.read() as session:
        assert session.get(RunRecord, run.id) is None
    assert queue.pending(competition.db) == 0
