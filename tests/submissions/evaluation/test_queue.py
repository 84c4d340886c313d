"""The queue's own rules: the order of claims, what a claim holds, how long, and what may not be claimed at all."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from submissions.evaluation import outcomes, queue
from submissions.evaluation.failure_disclosure import OurFault
from submissions.storage.records import EvaluationRecord, PhaseRecord, Purpose, RunRecord, SubmissionRecord, utc_now
from submissions.storage.states import State
from tests.factories import Competition

pytestmark = pytest.mark.parametrize("any_db", ["sqlite"], indirect=True)

LEASE_S = 60.0
LEASE = timedelta(seconds=LEASE_S)
LONG_AGO = datetime.fromisoformat("2026-01-01T12:00:00+00:00")
TICK = timedelta(microseconds=1)


def change(competition: Competition, submission_id: int, how: Callable[[SubmissionRecord], None]) -> None:
    with competition.db.write() as session:
        how(session.get_one(SubmissionRecord, submission_id))


def runs(competition: Competition) -> Sequence[RunRecord]:
    """All runs of the competition, in the order in which they were made."""
    with competition.db.read() as session:
        return session.scalars(select(RunRecord).order_by(RunRecord.id)).all()


def run_of(competition: Competition, run_id: int) -> RunRecord:
    with competition.db.read() as session:
        return session.get_one(RunRecord, run_id)


def claimed(competition: Competition, owner: str = "w", batch: int = 1, now: datetime | None = None) -> queue.Claim:
    claim = queue.claim(competition.db, owner, batch=batch, lease_s=LEASE_S, now=now)
    assert claim is not None
    return claim


def turns(competition: Competition) -> list[tuple[int, int]]:
    """Submission and position of each evaluation, in the order in which they are claimed whole, all by one user."""
    evaluations = []
    while (claim := competition.claim()) is not None:
        evaluations.append(claim.evaluation_id)
    with competition.db.read() as session:
        found = [session.get_one(EvaluationRecord, evaluation) for evaluation in evaluations]
    return [(evaluation.submission_id, evaluation.position) for evaluation in found]


def test_a_claim_has_all_that_a_worker_needs(smoked: Competition) -> None:
    with smoked.db.write() as session:
        phase = session.get_one(PhaseRecord, smoked.phase_id)
        limits = phase.limits
    submission = smoked.submission(smoked.submit(smoked.user()))
    (smoke,) = (one for one in smoked.evaluations(submission.id) if one.purpose is Purpose.SMOKE)
    with smoked.db.read() as session:
        zoo = session.get_one(EvaluationRecord, smoke.id).zoo
    claim = claimed(smoked, "host/1", batch=9)
    first, second = runs(smoked)
    assert claim == queue.Claim(
        owner="host/1",
        submission_id=submission.id,
        evaluation_id=smoke.id,
        zoo_sha256=zoo.manifest_sha256,
        bundle_sha256=submission.bundle_sha256,
        filename="measure.py",
        purpose=Purpose.SMOKE,
        is_pooled=False,
        limits=limits,
        networks=2,
        runs=(queue.ClaimedRun(first.id, first.network_id), queue.ClaimedRun(second.id, second.network_id)),
    )


def test_what_is_claimed_is_on_record_until_the_lease_ends(competition: Competition) -> None:
    submission = competition.submit(competition.user())
    claim = claimed(competition, "host/1", batch=3, now=LONG_AGO)
    held = [run for run in runs(competition) if run.state == "claimed"]
    assert {run.id for run in held} == {run.id for run in claim.runs}
    assert {(run.lease_owner, run.lease_until, run.tries) for run in held} == {("host/1", LONG_AGO + LEASE, 0)}
    (first, second), now = competition.evaluations(submission), competition.submission(submission)
    assert (now.state, now.started_at) == (State.RUNNING, LONG_AGO)
    assert (first.state, second.state) == (State.RUNNING, State.QUEUED)


def test_a_submission_starts_once(competition: Competition) -> None:
    submission = competition.submit(competition.user())
    for hours in range(3):
        claimed(competition, now=LONG_AGO + timedelta(hours=hours))
    assert competition.submission(submission).started_at == LONG_AGO


def test_networks_are_claimed_by_their_positions_not_by_their_numbers(competition: Competition) -> None:
    competition.submit(competition.user())
    claimed(competition)
    queue.release(competition.db, "w")
    with competition.db.write() as session:
        for run in session.scalars(select(RunRecord)):
            run.position = 7 - run.position
    expected = [run.id for run in runs(competition)][::-1]
    assert [run.id for run in claimed(competition, batch=3).runs] == expected[:3]
    assert [run.id for run in claimed(competition, batch=9).runs] == expected[3:]


def test_of_submissions_made_at_the_same_moment_one_comes_whole_before_the_other(competition: Competition) -> None:
    ada = competition.user()
    first, second = competition.submit(ada), competition.submit(ada)
    for submission in (first, second):
        change(competition, submission, lambda record: setattr(record, "created_at", LONG_AGO))
    assert turns(competition) == [(first, 0), (first, 1), (second, 0), (second, 1)]


def test_zoos_are_claimed_by_their_positions_not_by_the_numbers_of_evaluations(competition: Competition) -> None:
    submission = competition.submit(competition.user())
    with competition.db.write() as session:
        for evaluation in session.get_one(SubmissionRecord, submission).evaluations:
            evaluation.position = 1 - evaluation.position
    assert turns(competition) == [(submission, 0), (submission, 1)]
    assert [run.state for run in runs(competition)] == ["claimed"] * 20


def test_what_was_accepted_first_comes_first_whatever_a_clock_said(competition: Competition) -> None:
    ada = competition.user()
    first, second = competition.submit(ada), competition.submit(ada)
    change(competition, second, lambda record: setattr(record, "created_at", LONG_AGO))
    assert claimed(competition).submission_id == first
    change(competition, second, lambda record: setattr(record, "priority", 1))
    assert claimed(competition).submission_id == second


@pytest.mark.parametrize(
    "ended",
    [
        *({"state": state} for state in State if state.is_final),
        {"attempt": 2},
    ],
)
def test_nothing_is_claimed_of_an_attempt_that_is_over(smoked: Competition, ended: dict[str, object]) -> None:
    """Even where its runs have not left the queue with it; the claim that finds them removes them."""
    submission = smoked.submit(smoked.user())
    assert queue.pending(smoked.db) == 2
    with smoked.db.write() as session:
        session.execute(update(SubmissionRecord).where(SubmissionRecord.id == submission).values(ended))
    assert smoked.claim() is None
    assert queue.pending(smoked.db) == 0


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED, State.BROKEN, State.SCORED])
def test_nothing_is_claimed_of_an_evaluation_that_is_over(competition: Competition, state: State) -> None:
    submission = competition.submit(competition.user())
    with competition.db.write() as session:
        session.get_one(SubmissionRecord, submission).evaluations[0].state = state
    assert turns(competition) == [(submission, 1)]
    assert queue.pending(competition.db) == 0


def test_a_smoke_run_of_an_attempt_that_is_over_holds_nothing_up(smoked: Competition) -> None:
    submission = smoked.submit(smoked.user())
    with smoked.db.write() as session:
        session.get_one(PhaseRecord, smoked.phase_id).smoke_networks = 0
    assert outcomes.restart(smoked.db, submission)
    assert queue.pending(smoked.db) == 20
    assert claimed(smoked).purpose is Purpose.SCORE


def test_a_heartbeat_renews_the_leases_of_its_owner_alone(competition: Competition) -> None:
    competition.submit(competition.user())
    mine = claimed(competition, "mine", batch=2, now=LONG_AGO)
    other = claimed(competition, "other", batch=3, now=LONG_AGO)
    assert queue.heartbeat(competition.db, "mine", lease_s=LEASE_S, now=LONG_AGO + LEASE) == 2
    assert {run_of(competition, run.id).lease_until for run in mine.runs} == {LONG_AGO + 2 * LEASE}
    assert {run_of(competition, run.id).lease_until for run in other.runs} == {LONG_AGO + LEASE}


def test_without_a_moment_leases_are_counted_from_now(competition: Competition) -> None:
    competition.submit(competition.user())
    kept, lost = claimed(competition, "kept", now=LONG_AGO), claimed(competition, "lost", now=LONG_AGO)
    before = utc_now()
    fresh = claimed(competition, "fresh")
    assert queue.heartbeat(competition.db, "kept", lease_s=LEASE_S) == 1
    after = utc_now()
    for claim in (kept, fresh):
        until = run_of(competition, claim.runs[0].id).lease_until
        assert until is not None
        assert before + LEASE <= until <= after + LEASE
    queue.sweep(competition.db)
    assert queue.pending(competition.db) == 18
    assert queue.owners(competition.db) == {"kept", "fresh"}
    assert run_of(competition, lost.runs[0].id).state == "pending"


def test_a_lease_ends_after_its_last_moment(competition: Competition) -> None:
    competition.submit(competition.user())
    claimed(competition, now=LONG_AGO)
    queue.sweep(competition.db, LONG_AGO + LEASE)
    assert queue.pending(competition.db, LONG_AGO + LEASE) == 19
    queue.sweep(competition.db, LONG_AGO + LEASE + TICK)
    assert queue.pending(competition.db, LONG_AGO + LEASE + TICK) == 20


def test_runs_of_several_submissions_that_were_lost_all_return(competition: Competition) -> None:
    ada, bob = competition.user("ada"), competition.user("bob")
    for user in (ada, bob):
        competition.submit(user)
        claimed(competition, batch=3, now=LONG_AGO)
    assert queue.return_runs_of(competition.db, ["nobody"]) == 0
    assert queue.return_runs_of(competition.db, ["w", "nobody"]) == 6
    assert {(run.state, run.lease_owner, run.lease_until) for run in runs(competition)} == {("pending", None, None)}


@pytest.mark.parametrize("give_back", [queue.release, lambda db, owner: queue.return_runs_of(db, [owner])])
def test_runs_given_back_belong_to_nobody(competition: Competition, give_back: Callable[..., int]) -> None:
    competition.submit(competition.user())
    claimed(competition, "mine", batch=2)
    other = claimed(competition, "other", batch=3)
    assert give_back(competition.db, "mine") == 2
    owners = {run.id: (run.state, run.lease_owner) for run in runs(competition) if run.state != "pending"}
    assert owners == dict.fromkeys((run.id for run in other.runs), ("claimed", "other"))
    idle = [run for run in runs(competition) if run.state == "pending"]
    assert {(run.lease_owner, run.lease_until) for run in idle} == {(None, None)}
    assert (queue.held_by(competition.db, "mine"), queue.held_by(competition.db, "other")) == (0, 3)


def test_only_its_holder_gives_a_run_back_as_broken(competition: Competition) -> None:
    competition.submit(competition.user())
    run = claimed(competition).runs[0]
    queue.give_back_broken(competition.db, run.id, "other", OurFault.FILES, "the disk is full")
    assert queue.held_by(competition.db, "w") == 1
    queue.give_back_broken(competition.db, run.id, "w", OurFault.FILES, "the disk is full")
    assert queue.held_by(competition.db, "w") == 0
    queue.give_back_broken(competition.db, 4711, "w", OurFault.FILES, "the disk is full")  # a run that there is not


def test_a_run_that_is_done_is_not_given_back(competition: Competition) -> None:
    competition.submit(competition.user())
    claim = claimed(competition)
    assert competition.record(claim, claim.runs[0])
    queue.give_back_broken(competition.db, claim.runs[0].id, "w", OurFault.FILES, "the disk is full")
    assert runs(competition) != []
    assert claim.runs[0].id not in {run.id for run in runs(competition)}
    assert queue.pending(competition.db) == 19


def test_those_who_hold_nothing_any_more_are_no_owners(competition: Competition) -> None:
    submission = competition.submit(competition.user())
    assert queue.owners(competition.db) == set()
    claim = claimed(competition, "one")
    claimed(competition, "two", batch=2)
    assert queue.owners(competition.db) == {"one", "two"}
    assert competition.record(claim, claim.runs[0])
    assert queue.owners(competition.db) == {"two"}
    assert outcomes.cancel(competition.db, submission)
    assert queue.owners(competition.db) == set()
