"""Whether a submission's page has anything new to tell: one small query, for pages that look every second.

What the page then shows is `submissions.evaluation.submission_progress`'s and `submissions.evaluation.forecast`'s.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, bindparam, case, func, select

from submissions.storage.database import Database
from submissions.storage.questions import Question
from submissions.storage.records import EvaluationRecord, PhaseRecord, Purpose, SubmissionRecord, ValueRecord
from submissions.storage.states import State

SMOKE = 10**6
_EVALUATIONS = and_(
    EvaluationRecord.submission_id == SubmissionRecord.id, EvaluationRecord.attempt == SubmissionRecord.attempt
)
_IS_SMOKE = EvaluationRecord.purpose == Purpose.SMOKE
# Counts of the evaluations that wait and that are at work, in one number, smoke runs apart.
_STAGES = case(
    (and_(EvaluationRecord.state == State.QUEUED, _IS_SMOKE), SMOKE),
    (and_(EvaluationRecord.state == State.RUNNING, _IS_SMOKE), 2 * SMOKE),
    (EvaluationRecord.state == State.QUEUED, 1),
    (EvaluationRecord.state == State.RUNNING, 1000),
    else_=0,
)
_LOOK = Question(
    select(
        SubmissionRecord.state,
        SubmissionRecord.attempt,
        SubmissionRecord.user_id,
        SubmissionRecord.created_at,
        SubmissionRecord.is_hidden,
        SubmissionRecord.is_disqualified,
        PhaseRecord.hidden,
        select(func.count())
        .select_from(EvaluationRecord)
        .join(ValueRecord, ValueRecord.evaluation_id == EvaluationRecord.id)
        .where(_EVALUATIONS)
        .correlate(SubmissionRecord)
        .scalar_subquery(),
        select(func.sum(_STAGES)).where(_EVALUATIONS).correlate(SubmissionRecord).scalar_subquery(),
    )
    .join(PhaseRecord, PhaseRecord.id == SubmissionRecord.phase_id)
    .where(SubmissionRecord.id == bindparam("submission_id"))
)


@dataclass(frozen=True)
class Look:
    """All that can change on the page of a submission that has not ended. done: values; stages: of its evaluations."""

    state: State
    attempt: int
    user_id: int
    created_at: datetime
    is_hidden: bool
    is_disqualified: bool
    phase_is_hidden: bool
    done: int
    stages: int | None

    @property
    def is_in_smoke(self) -> bool:
        return (self.stages or 0) >= SMOKE


def look(db: Database, submission_id: int) -> Look | None:
    """How the submission stands now; None where there is none of this id."""
    found = _LOOK.ask(db, submission_id=submission_id)
    return None if found is None else Look(*found)
