"""Reads what waits and what is at work from the database, for `submissions.waiting` to play forward.

Called for the page of a submission that has not ended; five small queries.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from submissions.queue import BATCH
from submissions.records import EvaluationRecord, Purpose, RunRecord, SubmissionRecord, ValueRecord
from submissions.states import State
from submissions.waiting import Estimate, Stage, estimate
from submissions.workers import known_workers

OVERHEAD_S = 0.1  # what a network costs beside the measure's own time: its process, its files, its record
SAMPLE = 20  # scored evaluations of a zoo by which its networks are timed
_OPEN = (State.QUEUED, State.RUNNING)


def forecast(session: Session, submission_id: int, *, sweep_s: float, now: datetime | None = None) -> Estimate | None:
    """When the submission's turn comes and when it is through; None where it has nothing left to run."""
    stages = waiting_stages(session)
    if not any(stage.submission_id == submission_id for stage in stages):
        return None
    workers = known_workers(session, sweep_s=sweep_s, now=now)
    slots = sum(worker.slots for worker in workers if worker.is_alive and worker.refusal is None)
    return estimate(stages, submission_id, slots=slots, batch=BATCH)


def waiting_stages(session: Session) -> list[Stage]:
    """Every evaluation with runs that wait or are at work, those that a smoke run still keeps waiting as well."""
    smoke = aliased(EvaluationRecord)
    rows = session.execute(
        select(
            EvaluationRecord.id,
            EvaluationRecord.purpose,
            EvaluationRecord.position,
            EvaluationRecord.zoo_id,
            SubmissionRecord.id,
            SubmissionRecord.user_id,
            SubmissionRecord.priority,
            SubmissionRecord.created_at,
            SubmissionRecord.spends_quota,
            smoke.id,
            RunRecord.state,
            RunRecord.lease_owner,
            func.count(),
        )
        .select_from(RunRecord)
        .join(EvaluationRecord, EvaluationRecord.id == RunRecord.evaluation_id)
        .join(SubmissionRecord, SubmissionRecord.id == EvaluationRecord.submission_id)
        .outerjoin(
            smoke,
            and_(
                smoke.submission_id == SubmissionRecord.id,
                smoke.attempt == SubmissionRecord.attempt,
                smoke.purpose == Purpose.SMOKE,
                smoke.state.in_(_OPEN),
            ),
        )
        .where(
            RunRecord.state.in_(("pending", "claimed")),
            EvaluationRecord.state.in_(_OPEN),
            EvaluationRecord.attempt == SubmissionRecord.attempt,
            or_(
                and_(EvaluationRecord.purpose != Purpose.REPEAT, SubmissionRecord.state.in_(_OPEN)),
                and_(EvaluationRecord.purpose == Purpose.REPEAT, SubmissionRecord.state == State.SCORED),
            ),
        )
        .group_by(EvaluationRecord.id, SubmissionRecord.id, smoke.id, RunRecord.state, RunRecord.lease_owner)
        .order_by(EvaluationRecord.id)
    ).all()
    seconds = _seconds(session, {row[0]: (row[3], row[4]) for row in rows})
    counts: dict[int, tuple[int, tuple[int, ...]]] = {}
    for evaluation_id, *_, state, _owner, runs in rows:
        pending, held = counts.get(evaluation_id, (0, ()))
        counts[evaluation_id] = (pending + runs, held) if state == "pending" else (pending, (*held, runs))
    return [
        Stage(
            evaluation_id=evaluation_id,
            submission_id=submission_id,
            user_id=user_id,
            purpose=purpose,
            priority=priority,
            created_at=created_at,
            position=position,
            pending=counts[evaluation_id][0],
            held=counts[evaluation_id][1],
            waits_for=smoke_id if purpose is Purpose.SCORE else None,
            run_s=seconds.get(evaluation_id),
            has_begun=has_begun,
        )
        for evaluation_id, (
            purpose,
            position,
            _zoo_id,
            submission_id,
            user_id,
            priority,
            created_at,
            has_begun,
            smoke_id,
        ) in {row[0]: row[1:10] for row in rows}.items()
    ]


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
