"""Reads what waits and what is at work from the database, for `submissions.evaluation.waiting` to play forward.

Called for the pages of submissions that have not ended. All of them share one answer, however many look.
"""

import threading
import time
from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from submissions.evaluation.queue import BATCH
from submissions.evaluation.waiting import Estimate, Stage, estimates
from submissions.evaluation.workers import known_workers
from submissions.storage.database import Database
from submissions.storage.records import EvaluationRecord, Purpose, RunRecord, SubmissionRecord, ValueRecord
from submissions.storage.states import State

OVERHEAD_S = 0.1  # what a network costs beside the measure's own time: its process, its files, its record
SAMPLE = 20  # scored evaluations of a zoo by which its networks are timed
OPEN = (State.QUEUED, State.RUNNING)
SHARE = 0.05  # of one processor, in each web process, whatever the number of readers


class Forecasts:
    """The estimates of all that waits, made anew when asked for, but for at most `share` of a processor's time."""

    def __init__(self, db: Database, sweep_s: float, share: float = SHARE) -> None:
        self._db = db
        self._sweep_s = sweep_s
        self._share = share
        self._lock = threading.Lock()
        self._stands_until = 0.0
        self._known: dict[int, Estimate] = {}

    def of(self, submission_id: int) -> Estimate | None:
        """When its turn comes and when it is through; None where it has nothing left to run, or is too new to tell."""
        with self._lock:
            began = time.monotonic()
            if began >= self._stands_until:
                with self._db.read() as session:
                    self._known = forecasts(session, sweep_s=self._sweep_s)
                took_s = time.monotonic() - began
                self._stands_until = began + took_s / self._share
            return self._known.get(submission_id)

    def forget(self) -> None:
        """Make the next answer anew."""
        with self._lock:
            self._stands_until = 0.0


def forecasts(session: Session, *, sweep_s: float, now: datetime | None = None) -> dict[int, Estimate]:
    """For each submission with runs left: when its turn comes and when it is through."""
    workers = known_workers(session, sweep_s=sweep_s, now=now)
    slots = sum(worker.slots for worker in workers if worker.is_alive and worker.refusal is None)
    return estimates(waiting_stages(session), slots=slots, batch=BATCH)


def waiting_stages(session: Session) -> list[Stage]:
    """Every evaluation with runs that wait or are at work, those that a smoke run still keeps waiting as well."""
    rows = session.execute(
        select(
            EvaluationRecord.id,
            EvaluationRecord.purpose,
            EvaluationRecord.state,
            EvaluationRecord.position,
            EvaluationRecord.zoo_id,
            EvaluationRecord.networks,
            EvaluationRecord.submission_id,
            SubmissionRecord.user_id,
            SubmissionRecord.priority,
            SubmissionRecord.created_at,
            SubmissionRecord.spends_quota,
        )
        .join(SubmissionRecord, SubmissionRecord.id == EvaluationRecord.submission_id)
        .where(
            EvaluationRecord.state.in_(OPEN),
            EvaluationRecord.attempt == SubmissionRecord.attempt,
            or_(
                and_(EvaluationRecord.purpose != Purpose.REPEAT, SubmissionRecord.state.in_(OPEN)),
                and_(EvaluationRecord.purpose == Purpose.REPEAT, SubmissionRecord.state == State.SCORED),
            ),
        )
        .order_by(EvaluationRecord.id)
    ).all()
    pending, held = _runs(session, [row.id for row in rows if row.state is State.RUNNING])
    seconds = _seconds(session, {row.id: (row.zoo_id, row.submission_id) for row in rows})
    smoke = {row.submission_id: row.id for row in rows if row.purpose is Purpose.SMOKE}
    return [
        Stage(
            evaluation_id=row.id,
            submission_id=row.submission_id,
            user_id=row.user_id,
            purpose=row.purpose,
            priority=row.priority,
            created_at=row.created_at,
            position=row.position,
            pending=row.networks if row.state is State.QUEUED else pending.get(row.id, 0),
            held=tuple(held.get(row.id, ())),
            waits_for=smoke.get(row.submission_id) if row.purpose is Purpose.SCORE else None,
            run_s=seconds.get(row.id),
            has_begun=row.spends_quota,
        )
        for row in rows
    ]


def _runs(session: Session, evaluation_ids: Collection[int]) -> tuple[dict[int, int], dict[int, list[int]]]:
    """Of evaluations that have begun: how many runs are pending, and how many each slot holds."""
    pending: dict[int, int] = {}
    held: dict[int, list[int]] = {}
    rows = session.execute(
        select(RunRecord.evaluation_id, RunRecord.state, RunRecord.lease_owner, func.count())
        .where(RunRecord.evaluation_id.in_(evaluation_ids), RunRecord.state.in_(("pending", "claimed")))
        .group_by(RunRecord.evaluation_id, RunRecord.state, RunRecord.lease_owner)
    )
    for evaluation_id, state, _owner, runs in rows:
        if state == "pending":
            pending[evaluation_id] = runs
        else:
            held.setdefault(evaluation_id, []).append(runs)
    return pending, held


def _seconds(session: Session, stages: Mapping[int, tuple[int, int]]) -> dict[int, float]:
    """For each evaluation (with its zoo and submission) seconds for a network, as far as anything is known.

    By the evaluation's own values so far, else by the submission's smoke run, else by those of others on the zoo.
    """
    own = _means(session, ValueRecord.evaluation_id, ValueRecord.evaluation_id.in_(stages))
    without = {evaluation: about for evaluation, about in stages.items() if evaluation not in own}
    is_smoke = and_(
        EvaluationRecord.purpose == Purpose.SMOKE,
        EvaluationRecord.submission_id.in_({submission_id for _, submission_id in without.values()}),
    )
    smoke = _means(session, EvaluationRecord.submission_id, is_smoke) if without else {}
    others = _seconds_of_zoos(session, {zoo for zoo, submission in without.values() if submission not in smoke})
    known = {
        evaluation: own.get(evaluation, smoke.get(submission_id, others.get(zoo_id)))
        for evaluation, (zoo_id, submission_id) in stages.items()
    }
    return {evaluation: mean + OVERHEAD_S for evaluation, mean in known.items() if mean is not None}


def _means(session: Session, key: InstrumentedAttribute[int], condition: ColumnElement[bool]) -> dict[int, float]:
    """The mean wall seconds of the values that meet the condition, by `key`."""
    query = (
        select(key, func.avg(ValueRecord.wall_s))
        .select_from(ValueRecord)
        .join(EvaluationRecord, EvaluationRecord.id == ValueRecord.evaluation_id)
        .where(condition)
        .group_by(key)
    )
    return {number: mean for number, mean in session.execute(query)}  # noqa: C416  (a Row is no pair for mypy)


def _seconds_of_zoos(session: Session, zoo_ids: Collection[int]) -> dict[int, float]:
    means: dict[int, float] = {}
    for zoo_id in zoo_ids:
        latest = (
            select(EvaluationRecord.id)
            .where(EvaluationRecord.zoo_id == zoo_id, EvaluationRecord.state == State.SCORED)
            .order_by(EvaluationRecord.id.desc())
            .limit(SAMPLE)
        )
        mean = session.scalar(select(func.avg(ValueRecord.wall_s)).where(ValueRecord.evaluation_id.in_(latest)))
        if mean is not None:
            means[zoo_id] = mean
    return means
