"""A phase's waiting and running submissions: their number for the leaderboard, their progress for `gengap demo`."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from submissions.storage.records import EvaluationRecord, Purpose, SubmissionRecord, UserRecord, ValueRecord
from submissions.storage.states import State

_SHOWN = 20


@dataclass(frozen=True)
class OpenSubmission:
    """A queued or running submission: `done` of `networks` have a value."""

    submission_id: int
    name: str
    user_name: str
    state: State
    done: int
    networks: int


def open_count(session: Session, phase_id: int) -> int:
    """Return how many submissions of a phase are waiting or running; hidden ones do not count."""
    return session.scalar(select(func.count()).select_from(SubmissionRecord).where(_is_open(phase_id))) or 0


def open_submissions(session: Session, phase_id: int) -> tuple[OpenSubmission, ...]:
    """Return the newest waiting or running submissions of a phase."""
    found = session.execute(
        select(
            SubmissionRecord.id,
            SubmissionRecord.name,
            UserRecord.name,
            SubmissionRecord.state,
            func.coalesce(func.sum(EvaluationRecord.networks), 0),
        )
        .join(UserRecord, UserRecord.id == SubmissionRecord.user_id)
        .outerjoin(EvaluationRecord, _is_current())
        .where(_is_open(phase_id))
        .group_by(SubmissionRecord.id, SubmissionRecord.name, UserRecord.name, SubmissionRecord.state)
        .order_by(SubmissionRecord.id.desc())
        .limit(_SHOWN)
    ).all()
    counted = session.execute(
        select(SubmissionRecord.id, func.count())
        .join(EvaluationRecord, _is_current())
        .join(ValueRecord, ValueRecord.evaluation_id == EvaluationRecord.id)
        .where(SubmissionRecord.id.in_([row[0] for row in found]))
        .group_by(SubmissionRecord.id)
    )
    done = {submission_id: count for submission_id, count in counted}  # noqa: C416  (a Row is no pair for mypy)
    return tuple(
        OpenSubmission(submission_id, name, user_name, state, done.get(submission_id, 0), networks)
        for submission_id, name, user_name, state, networks in found
    )


def _is_open(phase_id: int) -> ColumnElement[bool]:
    return and_(
        SubmissionRecord.phase_id == phase_id,
        SubmissionRecord.is_hidden.is_(False),
        SubmissionRecord.state.in_((State.QUEUED, State.RUNNING)),
    )


def _is_current() -> ColumnElement[bool]:
    """Return the condition for scored evaluations of the submission's current attempt."""
    return and_(
        EvaluationRecord.submission_id == SubmissionRecord.id,
        EvaluationRecord.attempt == SubmissionRecord.attempt,
        EvaluationRecord.purpose == Purpose.SCORE,
    )
