"""Submissions from upload to score, through the domain's door, on SQLite and on PostgreSQL."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from submissions.competitions.competitions import CompetitionError, create_competition
from submissions.evaluation import outcomes, queue, retries
from submissions.intake import submit
from submissions.intake.bundle_store import BundleStore
from submissions.storage.database import Database
from submissions.storage.records import PhaseRecord, SubmissionRecord, utc_now
from submissions.storage.states import Reason, State
from tests.factories import SQUARED_NORM, Competition, bundle_of, make_competition

pytestmark = pytest.mark.both_databases

LEASE_S = 60.0


def test_a_submission_queues_one_run_per_network_of_every_zoo(competition: Competition) -> None:
    submission_id = competition.submit(competition.user())
    assert competition.submission(submission_id).state is State.QUEUED
    assert [evaluation.networks for evaluation in competition.evaluations(submission_id)] == [8, 12]
    assert queue.pending(competition.db) == 20
    assert competition.store.get(bundle_of(SQUARED_NORM).sha256) == SQUARED_NORM


def test_the_last_value_scores_the_submission(competition: Competition) -> None:
    submission_id = competition.submit(competition.user())
    assert competition.work_through() == 20
    submission = competition.submission(submission_id)
    evaluations = competition.evaluations(submission_id)
    assert submission.state is State.SCORED
    assert submission.finished_at is not None
    assert {evaluation.state for evaluation in evaluations} == {State.SCORED}
    cmis = [evaluation.cmi for evaluation in evaluations if evaluation.cmi is not None]
    assert submission.score == pytest.approx(100 * sum(cmis) / 2)
    assert len(competition.values_recorded(submission_id)) == 20


def test_perfect_values_reach_the_highest_tau(competition: Competition, tiny_zoo: Path) -> None:
    submission_id = competition.submit(competition.user())
    gaps: dict[str, float] = {}
    for evaluation in competition.evaluations(submission_id):
        with competition.db.read() as session:
            zoo = session.get_one(type(evaluation), evaluation.id).zoo
        truth = competition.zoos.truth(zoo.manifest_sha256)
        gaps |= {i: n.metrics["train_acc"] - n.metrics["test_acc"] for i, n in truth.networks.items()}
    while (claim := queue.claim(competition.db, "w", batch=50, lease_s=LEASE_S)) is not None:
        for run in claim.runs:
            competition.record(claim, run, gaps[run.network_id])
    assert [e.kendall_tau for e in competition.evaluations(submission_id)] == [1.0, 1.0]


def test_a_phase_with_another_target_scores_on_that(competition: Competition) -> None:
    """The tiny zoos' loss gap falls where their gap rises."""
    with competition.db.write() as session:
        for phase in session.scalars(select(PhaseRecord)):
            phase.target = "loss_gap"
    submission_id = competition.submit(competition.user())
    targets: dict[str, float] = {}
    for evaluation in competition.evaluations(submission_id):
        with competition.db.read() as session:
            zoo = session.get_one(type(evaluation), evaluation.id).zoo
        targets |= competition.zoos.truth(zoo.manifest_sha256).target("loss_gap")
    while (claim := queue.claim(competition.db, "w", batch=50, lease_s=LEASE_S)) is not None:
        for run in claim.runs:
            competition.record(claim, run, targets[run.network_id])
    assert [e.kendall_tau for e in competition.evaluations(submission_id)] == [1.0, 1.0]


def test_each_network_is_claimed_once(competition: Competition) -> None:
    competition.submit(competition.user())
    claimed: Counter[int] = Counter()
    for worker in range(100):
        claim = queue.claim(competition.db, f"w{worker}", batch=3, lease_s=LEASE_S)
        if claim is None:
            break
        claimed.update(run.id for run in claim.runs)
    assert len(claimed) == 20
    assert set(claimed.values()) == {1}


def test_networks_come_in_a_shuffled_order(competition: Competition) -> None:
    user = competition.user()
    for _ in range(4):
        competition.submit(user)
    orders = set()
    while (claim := competition.claim()) is not None:
        orders.add(tuple(run.network_id for run in claim.runs))
    assert len(orders) > 2


def test_a_failure_ends_the_submission_and_empties_its_queue(competition: Competition) -> None:
    submission_id = competition.submit(competition.user())
    claim = queue.claim(competition.db, "w", batch=2, lease_s=LEASE_S)
    assert claim is not None
    assert competition.record(claim, claim.runs[0])
    run = claim.runs[1]
    assert outcomes.record_failure(
        competition.db, run.id, "w", reason=Reason.RAISED, detail="ValueError at complexity.py line 2"
    )
    submission = competition.submission(submission_id)
    assert (submission.state, submission.reason) == (State.FAILED, Reason.RAISED)
    assert submission.detail == "ValueError at complexity.py line 2"
    assert queue.pending(competition.db) == 0
    assert [e.state for e in competition.evaluations(submission_id)] == [State.FAILED, State.CANCELLED]
    assert len(competition.values_recorded(submission_id)) == 1


def test_a_value_after_the_end_changes_nothing(competition: Competition) -> None:
    submission_id = competition.submit(competition.user())
    claim = queue.claim(competition.db, "w", batch=2, lease_s=LEASE_S)
    assert claim is not None
    assert outcomes.cancel(competition.db, submission_id)
    assert not competition.record(claim, claim.runs[0])
    assert not outcomes.record_failure(competition.db, claim.runs[1].id, "w", reason=Reason.CRASHED, detail="late")
    assert competition.submission(submission_id).state is State.CANCELLED
    assert not competition.values_recorded(submission_id)
    assert not outcomes.cancel(competition.db, submission_id)


def test_a_value_is_recorded_once(competition: Competition) -> None:
    submission_id = competition.submit(competition.user())
    claim = queue.claim(competition.db, "w", batch=1, lease_s=LEASE_S)
    assert claim is not None
    assert competition.record(claim, claim.runs[0], 1.0)
    assert not competition.record(claim, claim.runs[0], 2.0)
    assert set(competition.values_recorded(submission_id).values()) == {1}


def test_an_expired_lease_returns_the_run_and_the_late_worker_is_not_heard(competition: Competition) -> None:
    competition.submit(competition.user())
    now = utc_now()
    lost = queue.claim(competition.db, "lost", batch=1, lease_s=LEASE_S, now=now)
    assert lost is not None
    queue.sweep(competition.db, now + timedelta(seconds=LEASE_S - 1))
    assert queue.pending(competition.db, now + timedelta(seconds=LEASE_S - 1)) == 19
    queue.sweep(competition.db, now + timedelta(seconds=LEASE_S + 1))
    assert queue.pending(competition.db, now + timedelta(seconds=LEASE_S + 1)) == 20
    assert not competition.record(lost, lost.runs[0])


def test_a_heartbeat_keeps_the_lease(competition: Competition) -> None:
    competition.submit(competition.user())
    now = utc_now()
    claim = queue.claim(competition.db, "w", batch=2, lease_s=LEASE_S, now=now)
    assert claim is not None
    later = now + timedelta(seconds=LEASE_S - 1)
    assert queue.heartbeat(competition.db, "w", lease_s=LEASE_S, now=later) == 2
    queue.sweep(competition.db, now + timedelta(seconds=LEASE_S + 1))
    assert queue.pending(competition.db, now + timedelta(seconds=LEASE_S + 1)) == 18
    assert competition.record(claim, claim.runs[0])
    assert queue.held_by(competition.db, "w") == 1


def test_after_an_hour_of_tries_that_were_our_fault_the_submission_is_broken(competition: Competition) -> None:
    submission_id = competition.submit(competition.user())
    tries = competition.fail_by_our_fault()
    submission = competition.submission(submission_id)
    assert (submission.state, submission.reason) == (State.BROKEN, None)
    assert submission.detail == (
        f"A worker could not read or write a file; the log of the workers says more ({tries} tries)"
    )
    assert queue.pending(competition.db) == 0


def test_runs_given_back_in_good_order_cost_no_try(competition: Competition) -> None:
    submission_id = competition.submit(competition.user())
    for _ in range(retries.MAX_LOSSES + 2):
        assert queue.claim(competition.db, "w", batch=5, lease_s=LEASE_S) is not None
        assert queue.release(competition.db, "w") == 5
    assert competition.work_through() == 20
    assert competition.submission(submission_id).state is State.SCORED


def test_runs_of_a_dead_worker_return_at_once(competition: Competition) -> None:
    competition.submit(competition.user())
    queue.claim(competition.db, "dead", batch=4, lease_s=LEASE_S)
    queue.claim(competition.db, "alive", batch=4, lease_s=LEASE_S)
    assert queue.owners(competition.db) == {"dead", "alive"}
    assert queue.return_runs_of(competition.db, ["dead"]) == 4
    assert queue.pending(competition.db) == 16


def test_turns_go_to_the_user_who_holds_least_then_to_the_oldest(competition: Competition) -> None:
    ada, bob = competition.user("ada"), competition.user("bob")
    first, second, third = competition.submit(ada), competition.submit(ada), competition.submit(bob)
    turns = []
    for worker in range(4):
        claim = queue.claim(competition.db, f"w{worker}", batch=4, lease_s=LEASE_S)
        assert claim is not None
        turns.append(claim.submission_id)
    assert turns == [first, third, first, third]
    assert competition.submission(second).state is State.QUEUED


def test_priority_goes_before_everything(competition: Competition) -> None:
    user = competition.user()
    competition.submit(user)
    urgent = competition.submit(user)
    with competition.db.write() as session:
        session.get_one(SubmissionRecord, urgent).priority = 1
    claim = queue.claim(competition.db, "w", batch=4, lease_s=LEASE_S)
    assert claim is not None
    assert claim.submission_id == urgent


def test_a_rerun_is_a_new_attempt_and_keeps_the_old_values(competition: Competition) -> None:
    submission_id = competition.submit(competition.user())
    competition.work_through()
    assert outcomes.rerun(competition.db, submission_id)
    assert competition.submission(submission_id).state is State.QUEUED
    assert competition.work_through() == 20
    submission = competition.submission(submission_id)
    assert (submission.state, submission.attempt) == (State.SCORED, 2)
    assert len(competition.values_recorded(submission_id)) == 40


def test_a_cancelled_submission_is_not_run_again(competition: Competition) -> None:
    submission_id = competition.submit(competition.user())
    outcomes.cancel(competition.db, submission_id)
    assert not outcomes.rerun(competition.db, submission_id)


@pytest.mark.parametrize("act", [outcomes.cancel, outcomes.rerun])
def test_an_unknown_submission_is_an_error(competition: Competition, act: object) -> None:
    assert callable(act)
    with pytest.raises(outcomes.UnknownSubmission):
        act(competition.db, 4711)


@pytest.mark.parametrize("any_db", ["sqlite"], indirect=True)
def test_quota_and_dates_refuse_with_a_sentence_and_store_nothing(
    any_db: Database, store: BundleStore, tiny_zoo: Path
) -> None:
    opens = utc_now()
    phase = {"opens_at": opens, "closes_at": opens + timedelta(days=7), "daily_quota": 2}
    competition = make_competition(any_db, store, [tiny_zoo], **phase)
    user = competition.user()

    def submit_at(hours: float, source: str = SQUARED_NORM.decode()) -> int:
        return submit.submit(
            any_db,
            store,
            phase_id=competition.phase_id,
            user_id=user,
            name="m",
            bundle=bundle_of(source),
            now=opens + timedelta(hours=hours),
        )

    with pytest.raises(submit.SubmissionRefused, match="opens on"):
        submit_at(-1)
    assert list(store.folder.glob("??/*")) == []
    submit_at(1)
    submit_at(2)
    with pytest.raises(submit.SubmissionRefused, match=r"2 submissions .* are used or reserved: 0 used, 2 waiting"):
        submit_at(3)
    submit_at(25.5)
    with pytest.raises(submit.SubmissionRefused, match="closed on"):
        submit_at(24 * 7)
    with any_db.read() as session:
        assert session.scalar(select(func.count()).select_from(SubmissionRecord)) == 3


def test_uploads_at_the_same_moment_share_one_quota(any_db: Database, store: BundleStore, tiny_zoo: Path) -> None:
    competition = make_competition(any_db, store, [tiny_zoo], daily_quota=3)
    user = competition.user()

    def try_to_submit(_number: int) -> bool:
        try:
            competition.submit(user)
        except submit.SubmissionRefused:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(try_to_submit, range(12))) == 3


def test_a_broken_submission_spends_no_quota(any_db: Database, store: BundleStore, tiny_zoo: Path) -> None:
    competition = make_competition(any_db, store, [tiny_zoo], daily_quota=1, smoke_networks=0)
    user = competition.user()
    competition.submit(user)
    competition.fail_by_our_fault()
    competition.submit(user)


@pytest.mark.parametrize("any_db", ["sqlite"], indirect=True)
def test_a_competition_that_cannot_be_made_says_why(
    any_db: Database, store: BundleStore, tiny_zoo: Path, tmp_path: Path
) -> None:
    make_competition(any_db, store, [tiny_zoo])

    def make(slug: str, zoo_ids: list[int]) -> None:
        phase = PhaseRecord(slug="p", title="P", opens_at=utc_now())
        create_competition(any_db, slug=slug, title="T", text="", phase=phase, zoo_ids=zoo_ids)

    with pytest.raises(CompetitionError, match="already"):
        make("tests", [1])
    with pytest.raises(CompetitionError, match="at least one zoo"):
        make("new", [])
    with pytest.raises(CompetitionError, match="no zoo with id 99"):
        make("new", [99])
