"""The queue of runs in the database: claiming, leases, returning and sweeping.

Workers claim a batch under a lease, renew it with heartbeats, and give it back if they stop. A sweeper returns expired
leases to the queue. Celery messages only hint that there is work. A submission's scored runs can be claimed once its
smoke run has passed, its repeats once it is scored. What a claim costs does not depend on how much waits: evaluations
and shares count what may be claimed, and networks become rows of runs shortly before they are claimed.

A run that ended through no fault of the measure is paused where `submissions.evaluation.retries` says so. Paused runs
are few and are not counted: whoever may take one takes it before anything else.

Locks are taken in one order: the submission, its evaluations, the share. Whoever holds a share waits for nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from submissions.evaluation import claim_queries as queries
from submissions.evaluation import fair_share
from submissions.evaluation.attempts import add_runs
from submissions.evaluation.failure_disclosure import OurFault, our_fault_text
from submissions.evaluation.outcomes import give_up, lock_submission_of
from submissions.evaluation.retries import is_due, note_loss, note_try, worker_of
from submissions.evaluation.time_pool import left_s
from submissions.storage.database import Database
from submissions.storage.limits import Limits
from submissions.storage.queries import count, rows_changed
from submissions.storage.records import (
    EvaluationRecord,
    Purpose,
    RunRecord,
    SubmissionRecord,
    TimeRule,
    utc_now,
)
from submissions.storage.states import State

BATCH = 4  # runs that a worker's slot claims at once
_LOOKS = 10  # how often a claim looks for work, where other claims take what it has found
_SHARES = 4  # how many shares one look tries, where others hold all submissions of a share


@dataclass(frozen=True)
class ClaimedRun:
    """One run of a claim: the evaluation of one network."""

    id: int
    network_id: str


@dataclass(frozen=True)
class Claim:
    """A batch of runs of one evaluation, held by `owner` until the lease ends; with the limits that apply.

    Attributes
    ----------
    is_pooled : bool
        The networks share the seconds that `pooled_left_s` returns; `wall_s` does not apply.
    """

    owner: str
    submission_id: int
    evaluation_id: int
    zoo_sha256: str
    bundle_sha256: str
    filename: str
    purpose: Purpose
    is_pooled: bool
    limits: Limits
    networks: int
    runs: tuple[ClaimedRun, ...]


def claim(db: Database, owner: str, *, batch: int, lease_s: float, now: datetime | None = None) -> Claim | None:
    """Claim up to `batch` pending runs of one evaluation.

    Submissions with a priority above 0 come first, then the share that was served least. Of a share, smoke runs come
    first, then the submission that was accepted first.

    Parameters
    ----------
    owner : str
        Name of the claiming worker, a slash, and what tells this claim from its others.
    lease_s : float
        Seconds until the claim expires.

    Returns
    -------
    Claim or None
        None if nothing is pending.
    """
    moment = now or utc_now()
    for look in range(_LOOKS):
        with db.write() as session:
            claimed = _claim_paused(session, owner, batch, moment, lease_s)
            if claimed is not None:
                return claimed
            # Submissions that somebody holds are passed over; only if nothing else is left, it waits for one.
            evaluation_id = _next_evaluation(session, waits=look % 2 == 1)
            if evaluation_id is not None:
                claimed = _claim(session, evaluation_id, owner, batch, moment, lease_s)
                if claimed is not None:
                    return claimed
            elif fair_share.waiting(session) == 0:
                return None
    return None


def _next_evaluation(session: Session, *, waits: bool) -> int | None:
    """Return the evaluation that is next, its submission locked; None if nothing waits, or others hold what does.

    Parameters
    ----------
    waits : bool
        Wait for the submission. Else those that others hold are passed over, and the share is locked, too.
    """
    tried: list[int] = []
    while len(tried) < _SHARES:
        share = session.execute(queries.SHARE if waits else queries.SHARE_LOCKED, {"tried": tried}).one_or_none()
        if share is None:
            return None
        purpose = Purpose.SMOKE if share.has_smoke else fair_share.purpose_of(share.tier)
        of = {"share_id": share.id, "purpose": purpose}
        found = (session.execute(queries.URGENT) if share.is_urgent else session.execute(queries.OF_SHARE, of)).all()
        for evaluation_id, submission_id in found[:1] if waits else found:
            lock = queries.LOCK if waits else queries.TRY_LOCK
            if session.scalar(lock, {"submission_id": submission_id}) is not None:
                return int(evaluation_id)
        tried.append(share.id)
    return None


def _claim(
    session: Session, evaluation_id: int, owner: str, batch: int, moment: datetime, lease_s: float
) -> Claim | None:
    """Claim runs of an evaluation, whose submission is locked; return None if others have taken all."""
    work = session.execute(queries.WORK, {"evaluation_id": evaluation_id}).one()
    evaluation, submission, usual_s = work[0], work[1], work[-1]
    if evaluation.waiting == 0:
        return None
    if not _may_run(submission, evaluation):  # it ended in a way that has not emptied its queue
        fair_share.remove(session, EvaluationRecord.id == evaluation_id)
        return None
    pending = evaluation.waiting - (evaluation.networks - evaluation.next_position)
    if pending < min(batch, evaluation.waiting):
        add_runs(session, evaluation)
    until = moment + timedelta(seconds=lease_s)
    taken = {"of_evaluation": evaluation_id, "batch": batch, "owner": owner, "until": until}
    rows = session.execute(queries.TAKE, taken).all()
    fair_share.take(session, evaluation, len(rows), usual_s)
    return _claim_of(work, owner, rows, moment)


def _claim_paused(session: Session, owner: str, batch: int, moment: datetime, lease_s: float) -> Claim | None:
    """Claim paused runs of one evaluation that this worker may take; return None if there are none."""
    due = RunRecord.state == "paused", is_due(worker_of(owner), moment)
    first = session.scalar(select(RunRecord.id).where(*due).order_by(RunRecord.id).limit(1))
    if first is None:
        return None
    lock_submission_of(session, first)
    run = session.scalar(select(RunRecord).where(RunRecord.id == first, *due))
    if run is None:  # others have taken it
        return None
    work = session.execute(queries.WORK, {"evaluation_id": run.evaluation_id}).one()
    if not _may_run(work[1], work[0]):
        return None
    run_ids = select(RunRecord.id).where(RunRecord.evaluation_id == run.evaluation_id, *due)
    rows = session.execute(
        update(RunRecord)
        .where(RunRecord.id.in_(run_ids.order_by(RunRecord.position).limit(batch)), RunRecord.state == "paused")
        .values(state="claimed", lease_owner=owner, lease_until=moment + timedelta(seconds=lease_s))
        .returning(RunRecord.position, RunRecord.id, RunRecord.network_id)
        .execution_options(synchronize_session=False)
    ).all()
    return _claim_of(work, owner, rows, moment)


def _claim_of(work: Any, owner: str, rows: Sequence[Any], moment: datetime) -> Claim:
    evaluation, submission, time_rule, limits, zoo_sha256, _ = work
    _start(submission, evaluation, moment)
    return Claim(
        owner=owner,
        submission_id=submission.id,
        evaluation_id=evaluation.id,
        zoo_sha256=zoo_sha256,
        bundle_sha256=submission.bundle_sha256,
        filename=submission.filename,
        purpose=evaluation.purpose,
        is_pooled=time_rule is TimeRule.POOLED,
        limits=limits,
        networks=evaluation.networks,
        runs=tuple(ClaimedRun(run_id, network_id) for _, run_id, network_id in sorted(rows)),
    )


def _may_run(submission: SubmissionRecord, evaluation: EvaluationRecord) -> bool:
    if evaluation.attempt != submission.attempt or evaluation.state.is_final:
        return False
    return (submission.state is State.SCORED) if evaluation.purpose is Purpose.REPEAT else not submission.state.is_final


def _start(submission: SubmissionRecord, evaluation: EvaluationRecord, moment: datetime) -> None:
    if evaluation.purpose is Purpose.SCORE:
        submission.spends_quota = True
    if submission.state is State.QUEUED:
        submission.state, submission.started_at = State.RUNNING, moment
    evaluation.state = State.RUNNING


def pooled_left_s(db: Database, evaluation_id: int) -> float | None:
    """Return the wall seconds left to the evaluation's networks together; None if the limit is per network."""
    with db.read() as session:
        return left_s(session, session.get_one(EvaluationRecord, evaluation_id))


def held_by(db: Database, owner: str) -> int:
    """Return how many runs `owner` holds now; 0 once they were recorded, cancelled or taken away."""
    with db.read() as session:
        return count(session, RunRecord, *_held(owner))


def heartbeat(db: Database, owner: str, *, lease_s: float, now: datetime | None = None) -> int:
    """Extend every lease of `owner`.

    Parameters
    ----------
    lease_s : float
        Seconds from now.

    Returns
    -------
    int
        The number of runs it still holds; 0 if all were taken away.
    """
    with db.write() as session:
        lease_until = (now or utc_now()) + timedelta(seconds=lease_s)
        return rows_changed(session, update(RunRecord).where(*_held(owner)).values(lease_until=lease_until))


def release(db: Database, owner: str) -> int:
    """Return the runs that `owner` holds to the queue; this counts as nothing."""
    with db.read() as session:
        held = session.scalars(select(RunRecord.id).where(*_held(owner)).order_by(RunRecord.evaluation_id)).all()
    released = 0
    for run_id in held:
        with db.write() as session:
            lock_submission_of(session, run_id)
            run = session.scalar(select(RunRecord).where(RunRecord.id == run_id, *_held(owner)))
            if run is not None:
                _return(session, run)
                released += 1
    return released


def _held(owner: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return RunRecord.lease_owner == owner, RunRecord.state == "claimed"


def give_back_broken(
    db: Database, run_id: int, owner: str, fault: OurFault, message: str, now: datetime | None = None
) -> None:
    """Return a run to the queue after a fault of ours; end the submission as broken after too many.

    Parameters
    ----------
    message : str
        What happened. It is not stored; log it.
    """
    with db.write() as session:
        lock_submission_of(session, run_id)
        run = session.get(RunRecord, run_id)
        if run is None or run.state != "claimed" or run.lease_owner != owner:
            return
        is_over = note_try(run, now or utc_now())
        _return(session, run)
        if is_over:
            _give_up(session, run, f"{our_fault_text(fault, message)} ({run.tries} tries)")


def sweep(db: Database, now: datetime | None = None) -> None:
    """Return the runs with expired leases to the queue."""
    moment = now or utc_now()
    _return_lost(db, RunRecord.lease_until < moment, moment)


def pending(db: Database, now: datetime | None = None) -> int:
    """Return how many runs a worker that has failed none of them may claim now."""
    with db.read() as session:
        paused = count(session, RunRecord, RunRecord.state == "paused", is_due("", now or utc_now()))
        return fair_share.waiting(session) + paused


def return_runs_of(db: Database, owners: Collection[str], now: datetime | None = None) -> int:
    """Return the runs of dead workers to the queue without waiting for their leases.

    Returns
    -------
    int
        The number of returned runs.
    """
    return _return_lost(db, RunRecord.lease_owner.in_(owners), now or utc_now())


def owners(db: Database) -> set[str]:
    """Return the names of all lease holders."""
    with db.read() as session:
        held = session.scalars(select(RunRecord.lease_owner).where(RunRecord.state == "claimed").distinct())
        return {owner for owner in held if owner is not None}


def _return_lost(db: Database, condition: ColumnElement[bool], now: datetime) -> int:
    """Return the claimed runs that satisfy the condition, claim by claim."""
    lost = (RunRecord.state == "claimed", condition)
    with db.read() as session:
        claims = session.execute(
            select(RunRecord.evaluation_id, RunRecord.lease_owner, func.min(RunRecord.id))
            .where(*lost)
            .group_by(RunRecord.evaluation_id, RunRecord.lease_owner)
        ).all()
    returned = 0
    for evaluation_id, owner, run_id in claims:
        of_it = RunRecord.evaluation_id == evaluation_id, RunRecord.lease_owner == owner
        returned += _return_claim(db, run_id, now, *lost, *of_it)
    return returned


def _return_claim(db: Database, run_id: int, now: datetime, *lost: ColumnElement[bool]) -> int:
    """Return the lost runs of one claim, which `run_id` is one of. Only that which its owner evaluated is a loss.

    A worker evaluates a claim in the order of the positions, and what has an outcome is not claimed any more. So it was
    at the first of those that are left. No write has to mark the beginning of each network.
    """
    with db.write() as session:
        lock_submission_of(session, run_id)
        left = select(RunRecord).where(*lost).order_by(RunRecord.position)
        runs = session.scalars(left.with_for_update(skip_locked=True)).all()
        for run in runs:  # none that was renewed, finished or returned meanwhile, or is being renewed
            is_over = run is runs[0] and note_loss(run, now)
            _return(session, run)
            if is_over:
                _give_up(session, run, f"{run.losses} workers ended or fell silent while they evaluated one network")
                break
        return len(runs)


def _return(session: Session, run: RunRecord) -> None:
    """Return a claimed run to the queue; one that somebody has to wait for is paused."""
    run.state, run.lease_owner, run.lease_until = ("pending" if run.not_before is None else "paused"), None, None
    if run.state == "pending":
        fair_share.add(session, run.evaluation_id, 1)


def _give_up(session: Session, run: RunRecord, detail: str) -> None:
    give_up(session, session.get_one(EvaluationRecord, run.evaluation_id), detail)
