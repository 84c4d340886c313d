"""The queue of runs in the database: claiming, leases, returning and sweeping.

Workers claim a batch under a lease, renew it with heartbeats, and give it back if they stop. A sweeper returns expired
leases to the queue. Celery messages only hint that there is work. A submission's scored runs can be claimed once its
smoke run has passed, its repeats once it is scored.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from submissions.evaluation.outcomes import give_up, lock_submission_of
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

MAX_TRIES = 3
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
        Name of the claiming worker slot.
    lease_s : float
        Seconds until the claim expires.

    Returns
    -------
    Claim or None
        None if nothing is pending.
    """
    moment = now or utc_now()
    with db.write() as session:
        evaluation_id = session.scalar(_next_evaluation())
        if evaluation_id is None:
            return None
        evaluation = session.get_one(EvaluationRecord, evaluation_id)
        submission = session.get_one(SubmissionRecord, evaluation.submission_id, with_for_update=True)
        if not _may_run(submission, evaluation):  # it ended between the choice and the lock
            return None
        run_ids = (
            select(RunRecord.id)
            .where(RunRecord.evaluation_id == evaluation_id, RunRecord.state == "pending")
            .order_by(RunRecord.position)
            .limit(batch)
        )
        lease_until = moment + timedelta(seconds=lease_s)
        rows = session.execute(
            update(RunRecord)
            .where(RunRecord.id.in_(run_ids), RunRecord.state == "pending")
            .values(state="claimed", tries=RunRecord.tries + 1, lease_owner=owner, lease_until=lease_until)
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


def _next_evaluation() -> Select[int]:
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
    run = aliased(RunRecord)
    return (
        select(EvaluationRecord.id)
        .join(SubmissionRecord, EvaluationRecord.submission_id == SubmissionRecord.id)
        .outerjoin(held, held.c.user_id == SubmissionRecord.user_id)
        .where(_claimable(), exists().where(run.evaluation_id == EvaluationRecord.id, run.state == "pending"))
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
    """Return the runs that `owner` has not begun to the queue, without counting a try."""
    with db.write() as session:
        returned = {"state": "pending", "tries": RunRecord.tries - 1, "lease_owner": None, "lease_until": None}
        return rows_changed(session, update(RunRecord).where(*_held(owner)).values(returned))


def _held(owner: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return RunRecord.lease_owner == owner, RunRecord.state == "claimed"


def give_back_broken(db: Database, run_id: int, owner: str, detail: str) -> None:
    """Return a run to the queue after a fault of ours; after MAX_TRIES, end the submission as broken."""
    with db.write() as session:
        lock_submission_of(session, run_id)
        run = session.get(RunRecord, run_id)
        if run is None or run.state != "claimed" or run.lease_owner != owner:
            return
        _requeue(session, run, detail)


def sweep(db: Database, now: datetime | None = None) -> int:
    """Return the runs with expired leases to the queue.

    Returns
    -------
    int
        The number of runs that are pending now.
    """
    _return_lost(db, RunRecord.lease_until < (now or utc_now()))
    return pending(db)


def pending(db: Database) -> int:
    """Return how many runs may be claimed now."""
    with db.read() as session:
        runs = select(func.count(RunRecord.id)).join(EvaluationRecord).join(EvaluationRecord.submission)
        return session.scalar(runs.where(RunRecord.state == "pending", _claimable())) or 0


def return_runs_of(db: Database, owners: Collection[str]) -> int:
    """Return the runs of dead workers to the queue without waiting for their leases.

    Returns
    -------
    int
        The number of returned runs.
    """
    return _return_lost(db, RunRecord.lease_owner.in_(owners))


def owners(db: Database) -> set[str]:
    """Return the names of all lease holders."""
    with db.read() as session:
        held = session.scalars(select(RunRecord.lease_owner).where(RunRecord.state == "claimed").distinct())
        return {owner for owner in held if owner is not None}


def _return_lost(db: Database, condition: ColumnElement[bool]) -> int:
    lost = select(RunRecord.id).where(RunRecord.state == "claimed", condition)
    with db.read() as session:
        run_ids = session.scalars(lost).all()
    for run_id in run_ids:
        with db.write() as session:
            lock_submission_of(session, run_id)
            run = session.scalar(select(RunRecord).where(RunRecord.id.in_(lost), RunRecord.id == run_id))
            if run is not None:  # nobody renewed, finished or returned it meanwhile
                _requeue(session, run, "the worker that held the run stopped answering")
    return len(run_ids)


def _requeue(session: Session, run: RunRecord, detail: str) -> None:
    if run.tries < MAX_TRIES:
        run.state, run.lease_owner, run.lease_until = "pending", None, None
        return
    give_up(session, session.get_one(EvaluationRecord, run.evaluation_id), f"{detail} ({run.tries} tries)")
