"""A phase's waiting and running submissions: their number for the leaderboard, their progress for `gengap demo`."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from submissions.storage.queries import count, enters_score
from submissions.storage.records import EvaluationRecord, SubmissionRecord, UserRecord, ValueRecord
from submissions.storage.states import OPEN, State

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
    return count(session, SubmissionRecord, _is_open(phase_id))


def open_submissions(session: Session, phase_id: int) -> tuple[OpenSubmission, ...]:
    """Return the newest waiting or running submissions of a phase."""
    of_zoos = select(EvaluationRecord).where(enters_score()).correlate(SubmissionRecord)
    networks = of_zoos.with_only_columns(func.coalesce(func.sum(EvaluationRecord.networks), 0)).scalar_subquery()
    values = of_zoos.join(ValueRecord, ValueRecord.evaluation_id == EvaluationRecord.id)
    done = values.with_only_columns(func.count()).scalar_subquery()
    found = session.execute(
        select(SubmissionRecord.id, SubmissionRecord.name, UserRecord.name, SubmissionRecord.state, done, networks)
        .join(SubmissionRecord.user)
        .where(_is_open(phase_id))
        .order_by(SubmissionRecord.id.desc())
        .limit(_SHOWN)
    )
    return tuple(OpenSubmission(*row) for row in found)


def _is_open(phase_id: int) -> ColumnElement[bool]:
    return and_(
        SubmissionRecord.phase_id == phase_id,
        SubmissionRecord.is_hidden.is_(False),
        SubmissionRecord.state.in_(OPEN),
    )
