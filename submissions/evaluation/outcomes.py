"""Transitions of a submission: cancel, re-run, record a value or a failure, score, give up.

Every transition is a compare-and-set by the rules of `submissions.storage.states`, so a late writer changes nothing.
Called by pages (cancel, re-run) and by workers (the rest). `submissions.evaluation.queue` decides which run comes next,
`submissions.evaluation.attempts` creates the work of an attempt, `submissions.intake.submit` creates submissions.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, delete, exists, insert, select, update
from sqlalchemy.orm import Session, aliased

import scoring
from model_zoo.store import ZooStore
from submissions.evaluation import end_notices
from submissions.evaluation.attempts import (
    add_attempt,
    add_repeats,
    drop_open_work,
    drop_runs,
    hold_zoos,
    open_scored,
)
from submissions.evaluation.failure_disclosure import FailureText, failure_told
from submissions.evaluation.score_computation import Scored, foresee, stored_scores, submission_error
from submissions.evaluation.time_pool import left_s, too_long
from submissions.leaderboard import standings
from submissions.storage.database import Database
from submissions.storage.queries import rows_changed
from submissions.storage.records import (
    EvaluationRecord,
    FailureRecord,
    PhaseRecord,
    Purpose,
    RunRecord,
    SubmissionRecord,
    TimeRule,
    ValueRecord,
    utc_now,
)
from submissions.storage.states import OPEN, UNFINISHED, Event, Reason, State, next_state, sources


class UnknownSubmission(LookupError):  # noqa: N818
    """There is no submission with this id."""


def cancel(db: Database, submission_id: int) -> bool:
    """Cancel a queued or running submission.

    Returns
    -------
    bool
        False if it has ended already.

    Raises
    ------
    UnknownSubmission
        If there is no such submission.
    """
    with db.write() as session:
        return _end(session, submission_id, Event.USER_CANCELLED)


def rerun(db: Database, submission_id: int) -> bool:
    """Start a new attempt of an ended submission, requested by an organizer; old values stay on record.

    Returns
    -------
    bool
        False if it has not ended, or was cancelled.

    Raises
    ------
    UnknownSubmission
        If there is no such submission.
    """
    with db.write() as session:
        return _begin_attempt(session, submission_id, Event.RERUN)


def restart(db: Database, submission_id: int) -> bool:
    """Start a new attempt of a submission, ended or not, because its phase's zoos have changed.

    Returns
    -------
    bool
        False if it was cancelled.
    """
    with db.write() as session:
        return _begin_attempt(session, submission_id, Event.ZOOS_CHANGED)


def _begin_attempt(session: Session, submission_id: int, event: Event) -> bool:
    submission = session.get(SubmissionRecord, submission_id, with_for_update=True)
    if submission is None:
        raise UnknownSubmission(submission_id)
    if next_state(submission.state, event) is None:
        return False
    submission.attempt += 1
    submission.state = State.QUEUED
    submission.reason = submission.detail = submission.score = submission.standard_error = None
    submission.started_at = submission.finished_at = None
    standings.update(session, submission)  # locks the phase for itself, so it comes before the lock that is shared
    hold_zoos(session, submission.phase_id)
    drop_open_work(session, submission_id)  # of the attempt before
    add_attempt(session, submission, submission.phase)
    return True


def record_value(
    db: Database,
    zoos: ZooStore,
    run_id: int,
    owner: str,
    *,
    value: float,
    wall_s: float,
    cpu_s: float | None,
    peak_bytes: int | None,
    layers: dict[str, bool],
) -> bool:
    """Record the value of one network. The last value of an evaluation also ends it, in the same transaction.

    The last value of a zoo scores it; the last value of a smoke run opens the scored runs. The score is computed before
    the transaction, which holds a lock: one that finds its value to be the last is rolled back and begun again.

    Parameters
    ----------
    owner : str
        The worker that claims to hold the run.
    wall_s, cpu_s : float
        Seconds.
    layers : dict[str, bool]
        Sandbox layer → whether it was active.

    Returns
    -------
    bool
        False if the rest of the claim is not needed: the lease passed to another worker, the submission has ended,
        or this value ended it because the networks together took too long.

    Raises
    ------
    ZooError
        If the truth cannot be read.
    """
    measured = {"value": value, "wall_s": wall_s, "cpu_s": cpu_s, "peak_bytes": peak_bytes}
    scored = None
    while True:
        try:
            with db.write() as session:
                return _record_value(session, run_id, owner, measured, layers, scored)
        except _NotForeseen:
            scored = foresee(db, zoos, run_id, owner, value)


class _NotForeseen(Exception):  # noqa: N818  (a detour, not a malfunction)
    """The value is the evaluation's last, and its score is not computed yet."""


def _record_value(
    session: Session,
    run_id: int,
    owner: str,
    measured: Mapping[str, Any],
    layers: dict[str, bool],
    scored: Scored | None,
) -> bool:
    held = _held_run(session, run_id, owner)
    if held is None:
        return False
    evaluation, network_id, is_last, time_rule = held
    if is_last and evaluation.purpose is Purpose.SCORE and scored is None:
        raise _NotForeseen
    if evaluation.layers != layers:
        evaluation.layers = layers
    place = {"evaluation_id": evaluation.id, "network_id": network_id}
    session.execute(_INSERT, {**place, "recorded_at": utc_now(), **measured})
    is_pooled = time_rule is TimeRule.POOLED and evaluation.purpose is not Purpose.REPEAT
    if is_pooled and (left_s(session, evaluation) or 0.0) < 0:
        detail = too_long(session, evaluation)
        _fail(session, evaluation, FailureRecord(run_id=run_id, reason=Reason.TIME_LIMIT, detail=detail))
        return False
    session.execute(_DELETE, {"run_id": run_id})
    if is_last and scored is not None:
        _score(session, evaluation, scored)
    elif is_last:
        evaluation.state = State.SCORED
        if evaluation.purpose is Purpose.SMOKE:
            open_scored(session, evaluation.submission_id, evaluation.attempt)
    return True


def record_failure(
    db: Database,
    run_id: int,
    owner: str,
    *,
    reason: Reason,
    detail: str,
    message: str | None = None,
    log: str | None = None,
    wall_s: float | None = None,
    cpu_s: float | None = None,
    peak_bytes: int | None = None,
    layers: dict[str, bool] | None = None,
) -> bool:
    """End the submission as failed, because the measure failed on this run.

    A failure of a repeated network does not end it; it only shows that the measure is not deterministic.

    Parameters
    ----------
    owner : str
        The worker that claims to hold the run.
    detail, message, log : str or None
        Where and how it failed, the exception's text and the end of what was printed. What is stored of them is for
        `failure_disclosure` to decide.
    wall_s, cpu_s : float or None, optional
        Seconds.
    layers : dict[str, bool] or None, optional
        Sandbox layer → whether it was active.

    Returns
    -------
    bool
        False if the report came too late.
    """
    with db.write() as session:
        held = _held_run(session, run_id, owner)
        if held is None:
            return False
        evaluation, _, is_last, _ = held
        evaluation.layers = layers or evaluation.layers
        left = left_s(session, evaluation)
        if reason is Reason.TIME_LIMIT and left is not None and (wall_s or 0.0) >= left:
            detail = too_long(session, evaluation)
        failure = FailureRecord(
            run_id=run_id,
            reason=reason,
            detail=detail,
            message=message,
            log=log,
            wall_s=wall_s,
            cpu_s=cpu_s,
            peak_bytes=peak_bytes,
        )
        _fail(session, evaluation, failure, is_last=is_last)
        return True


def give_up(session: Session, evaluation: EvaluationRecord, detail: str) -> None:
    """End a submission as broken after the retries, without spending quota; a repeat evaluation ends alone."""
    evaluation.state = State.BROKEN
    session.flush()
    if evaluation.purpose is Purpose.REPEAT:
        drop_runs(session, EvaluationRecord.id == evaluation.id)
    else:
        _end(session, evaluation.submission_id, Event.GAVE_UP, detail=detail)


def _fail(session: Session, evaluation: EvaluationRecord, failure: FailureRecord, *, is_last: bool = False) -> None:
    failed = {"state": "failed", "lease_owner": None, "lease_until": None}
    session.execute(
        update(RunRecord)
        .where(RunRecord.id == failure.run_id)
        .values(failed)
        .execution_options(synchronize_session=False)
    )
    text = FailureText(failure.detail, failure.message, failure.log)
    phase, truth_public = evaluation.submission.phase, evaluation.zoo.truth_public
    text = failure_told(text, failure.reason, phase, truth_public=truth_public)
    failure.detail, failure.message, failure.log = text.detail, text.message, text.log
    session.add(failure)
    if evaluation.purpose is Purpose.REPEAT:
        if is_last:
            evaluation.state = State.SCORED
        return
    evaluation.state = State.FAILED
    _end(session, evaluation.submission_id, Event.MEASURE_FAILED, reason=failure.reason, detail=failure.detail)


def _ended(event: Event) -> datetime:
    """Return the time of an end: of a failure, whose moment the measure chooses, the next whole second."""
    now = utc_now()
    return now.replace(microsecond=0) + timedelta(seconds=1) if event is Event.MEASURE_FAILED else now


# By subqueries: a join by merging would go through all older evaluations.
_evaluation_id = select(RunRecord.evaluation_id).where(RunRecord.id == bindparam("run_id"))
_submission_id = select(EvaluationRecord.submission_id).where(EvaluationRecord.id == _evaluation_id.scalar_subquery())
_LOCK = select(SubmissionRecord.id).where(SubmissionRecord.id == _submission_id.scalar_subquery()).with_for_update()
_INSERT = insert(ValueRecord)
_DELETE = delete(RunRecord).where(RunRecord.id == bindparam("run_id")).execution_options(synchronize_session=False)
_other = aliased(RunRecord)
_has_others = exists().where(
    _other.evaluation_id == EvaluationRecord.id,
    _other.id != bindparam("run_id"),
    _other.state.in_(UNFINISHED),
)
_is_held = RunRecord.state == "claimed", RunRecord.lease_owner == bindparam("owner")
_HELD: Any = (
    select(
        EvaluationRecord,
        select(RunRecord.network_id).where(RunRecord.id == bindparam("run_id")).scalar_subquery(),
        and_(EvaluationRecord.next_position == EvaluationRecord.networks, ~_has_others),
        PhaseRecord.time_rule,
    )
    .join(SubmissionRecord, SubmissionRecord.id == EvaluationRecord.submission_id)
    .join(PhaseRecord, PhaseRecord.id == SubmissionRecord.phase_id)
    .where(EvaluationRecord.id == _evaluation_id.where(*_is_held).scalar_subquery(), EvaluationRecord.state.in_(OPEN))
)


def lock_submission_of(session: Session, run_id: int) -> None:
    """Lock the run's submission until the transaction ends (PostgreSQL; SQLite has a single writer).

    Every writer takes this lock before any other row of the submission, which prevents deadlocks and two "last" values.
    """
    session.execute(_LOCK, {"run_id": run_id})


def _held_run(session: Session, run_id: int, owner: str) -> tuple[EvaluationRecord, str, bool, TimeRule] | None:
    """Lock the submission of a run that `owner` holds; return None if it holds it no more.

    Returns
    -------
    evaluation, network_id, is_last, time_rule
        is_last: whether all other networks of the evaluation are done.
    """
    lock_submission_of(session, run_id)
    held = session.execute(_HELD, {"run_id": run_id, "owner": owner}).one_or_none()
    return None if held is None else tuple(held)


def _score(session: Session, evaluation: EvaluationRecord, scored: Scored) -> None:
    for name, told in vars(scored).items():
        setattr(evaluation, name, told)
    evaluation.state = State.SCORED
    evaluation.scored_at = utc_now()
    session.flush()
    submission = session.get_one(SubmissionRecord, evaluation.submission_id)
    scores, errors = stored_scores(session, submission.id)
    finite = [cmi for cmi in scores if cmi is not None]
    if len(finite) == len(scores):
        score = scoring.competition_score(finite)
        _end(session, submission.id, Event.SCORED, score=score, standard_error=submission_error(errors))
        add_repeats(session, submission, session.get_one(PhaseRecord, submission.phase_id).repeat_networks)


def _end(session: Session, submission_id: int, event: Event, **outcome: Any) -> bool:
    """End the submission with this outcome: reason, detail, score, standard_error; None for what is not given."""
    target = next_state(sources(event)[0], event)
    nothing = dict.fromkeys(("reason", "detail", "score", "standard_error"))
    change = (
        update(SubmissionRecord)
        .where(SubmissionRecord.id == submission_id, SubmissionRecord.state.in_(sources(event)))
        .values(**nothing | outcome, state=target, finished_at=_ended(event))
    )
    if rows_changed(session, change) != 1:
        if session.get(SubmissionRecord, submission_id) is None:
            raise UnknownSubmission(submission_id)
        return False
    if event is Event.SCORED:
        standings.update(session, session.get_one(SubmissionRecord, submission_id))
    else:
        standings.ended(session, session.get_one(SubmissionRecord, submission_id))
        drop_open_work(session, submission_id)  # locks the share, so it comes after the phase, as where it is submitted
    if event is not Event.USER_CANCELLED:
        end_notices.tell_end(session, submission_id)
    return True
