"""The queue of runs in the database: claiming, leases, returning and sweeping.

Workers claim a batch under a lease, renew it with heartbeats, and give it back if they stop. A sweeper returns expired
leases to the queue. Celery messages only hint that there is work. A submission's scored runs can be claimed once its
smoke run has passed, its repeats once it is scored. `submissions.evaluation.retries` decides when a run that was given
back or lost is offered again.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from submissions.evaluation.failure_disclosure import OurFault, our_fault_text
from submissions.evaluation.outcomes import give_up, lock_submission_of
from submissions.evaluation.retries import is_due, note_loss, note_try, worker_of
from submissions.evaluation.time_pool import left_s
from submissions.storage.database import Database
from submissions.storage.limits import Limits
from submissions.storage.queries import count, rows_changed
from submissions.storage.records import (
    EvaluationRecord,
    PhaseRecord,
    Purpose,
    RunRecord,
    SubmissionRecord,
    TimeRule,
    utc_now,
)
from submissions.storage.states import OPEN, Event, State, sources

BATCH = 4  # runs that a worker's slot claims at once


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

    Smoke runs come first (one per user at a time), repeats last; then priority, then the user with the fewest claimed
    runs, then the oldest submission.

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
    waits = and_(RunRecord.state == "pending", is_due(worker_of(owner), moment))
    with db.write() as session:
        evaluation_id = session.scalar(_next_evaluation(waits))
        if evaluation_id is None:
            return None
        evaluation = session.get_one(EvaluationRecord, evaluation_id)
        submission = session.get_one(SubmissionRecord, evaluation.submission_id, with_for_update=True)
        if not _may_run(submission, evaluation):  # it ended between the choice and the lock
            return None
        run_ids = (
            select(RunRecord.id)
            .where(RunRecord.evaluation_id == evaluation_id, waits)
            .order_by(RunRecord.position)
            .limit(batch)
        )
        lease_until = moment + timedelta(seconds=lease_s)
        rows = session.execute(
            update(RunRecord)
            .where(RunRecord.id.in_(run_ids), RunRecord.state == "pending")
            .values(state="claimed", lease_owner=owner, lease_until=lease_until)
            .returning(RunRecord.position, RunRecord.id, RunRecord.network_id)
            .execution_options(synchronize_session=False)
        ).all()
        if not rows:
            return None
        _start(session, submission, evaluation, moment)
        phase = session.get_one(PhaseRecord, submission.phase_id)
        return Claim(
            owner=owner,
            submission_id=submission.id,
            evaluation_id=evaluation.id,
            zoo_sha256=evaluation.zoo.manifest_sha256,
            bundle_sha256=submission.bundle_sha256,
            filename=submission.filename,
            purpose=evaluation.purpose,
            is_pooled=phase.time_rule is TimeRule.POOLED,
            limits=phase.limits,
            networks=evaluation.networks,
            runs=tuple(ClaimedRun(run_id, network_id) for _, run_id, network_id in sorted(rows)),
        )


def _may_run(submission: SubmissionRecord, evaluation: EvaluationRecord) -> bool:
    if evaluation.attempt != submission.attempt:
        return False
    return (submission.state is State.SCORED) if evaluation.purpose is Purpose.REPEAT else not submission.state.is_final


def _claimable() -> ColumnElement[bool]:
    """Return the condition that the pending runs of an evaluation, joined with its submission, may be claimed now."""
    smoke = aliased(EvaluationRecord)
    in_smoke = exists().where(
        smoke.submission_id == SubmissionRecord.id,
        smoke.attempt == SubmissionRecord.attempt,
        smoke.purpose == Purpose.SMOKE,
        smoke.state.in_(OPEN),
    )
    is_open = SubmissionRecord.state.in_(OPEN)
    return and_(
        EvaluationRecord.state.in_(OPEN),
        EvaluationRecord.attempt == SubmissionRecord.attempt,
        or_(
            and_(EvaluationRecord.purpose == Purpose.SMOKE, is_open),
            and_(EvaluationRecord.purpose == Purpose.SCORE, is_open, ~in_smoke),
            and_(EvaluationRecord.purpose == Purpose.REPEAT, SubmissionRecord.state == State.SCORED),
        ),
    )


def _next_evaluation(waits: ColumnElement[bool]) -> Select[int]:
    """Return the query for the evaluation whose turn it is. waits: the condition that a run may be claimed."""
    is_smoke = EvaluationRecord.purpose == Purpose.SMOKE
    held = (
        select(
            SubmissionRecord.user_id, func.count().label("runs"), func.count(case((is_smoke, 1))).label("smoke_runs")
        )
        .join(EvaluationRecord, EvaluationRecord.submission_id == SubmissionRecord.id)
        .join(RunRecord, RunRecord.evaluation_id == EvaluationRecord.id)
        .where(RunRecord.state == "claimed")
        .group_by(SubmissionRecord.user_id)
        .subquery()
    )
    # Only one smoke run of a user's goes first: many uploads at once must not keep everybody else waiting.
    turn = case(
        (and_(is_smoke, func.coalesce(held.c.smoke_runs, 0) == 0), 0),
        (EvaluationRecord.purpose == Purpose.REPEAT, 2),
        else_=1,
    )
    return (
        select(EvaluationRecord.id)
        .join(SubmissionRecord, EvaluationRecord.submission_id == SubmissionRecord.id)
        .outerjoin(held, held.c.user_id == SubmissionRecord.user_id)
        .where(_claimable(), exists().where(RunRecord.evaluation_id == EvaluationRecord.id, waits))
        .order_by(
            turn,
            SubmissionRecord.priority.desc(),
            func.coalesce(held.c.runs, 0),
            SubmissionRecord.created_at,
            SubmissionRecord.id,
            EvaluationRecord.position,
        )
        .limit(1)
    )


def _start(session: Session, submission: SubmissionRecord, evaluation: EvaluationRecord, moment: datetime) -> None:
    if evaluation.purpose is Purpose.SCORE:
        submission.spends_quota = True
    session.execute(
        update(SubmissionRecord)
        .where(SubmissionRecord.id == submission.id, SubmissionRecord.state.in_(sources(Event.CLAIMED)))
        .values(state=State.RUNNING, started_at=moment)
    )
    session.execute(
        update(EvaluationRecord)
        .where(EvaluationRecord.id == evaluation.id, EvaluationRecord.state.in_(sources(Event.CLAIMED)))
        .values(state=State.RUNNING)
    )


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
    with db.write() as session:
        returned = {"state": "pending", "lease_owner": None, "lease_until": None}
        return rows_changed(session, update(RunRecord).where(*_held(owner)).values(returned))


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
        _return(run)
        if is_over:
            _give_up(session, run, f"{our_fault_text(fault, message)} ({run.tries} tries)")


def sweep(db: Database, now: datetime | None = None, *, worker: str = "") -> int:
    """Return the runs with expired leases to the queue.

    Returns
    -------
    int
        The number of runs that `worker` may claim now; see `pending`.
    """
    moment = now or utc_now()
    _return_lost(db, RunRecord.lease_until < moment, moment)
    return pending(db, now, worker=worker)


def pending(db: Database, now: datetime | None = None, *, worker: str = "") -> int:
    """Return how many runs a worker may claim now; without a name, one that has failed none of them."""
    with db.read() as session:
        runs = select(func.count(RunRecord.id)).join(EvaluationRecord).join(EvaluationRecord.submission)
        due = is_due(worker, now or utc_now())
        return session.scalar(runs.where(RunRecord.state == "pending", due, _claimable())) or 0


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
            _return(run)
            if is_over:
                _give_up(session, run, f"{run.losses} workers ended or fell silent while they evaluated one network")
                break
        return len(runs)


def _return(run: RunRecord) -> None:
    run.state, run.lease_owner, run.lease_until = "pending", None, None


def _give_up(session: Session, run: RunRecord, detail: str) -> None:
    give_up(session, session.get_one(EvaluationRecord, run.evaluation_id), detail)
