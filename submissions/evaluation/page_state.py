"""Whether a submission's page has anything new to show: one small query, for pages that ask every second or two.

What the page then shows is `submissions.evaluation.submission_progress`'s and `submissions.evaluation.eta`'s.
"""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from submissions.storage.records import EvaluationRecord, Purpose, SubmissionRecord, ValueRecord
from submissions.storage.states import State


def page_state(session: Session, submission: SubmissionRecord) -> tuple[tuple[Purpose, State, int], ...]:
    """Purpose, state and number of values of each evaluation of the current attempt, in a fixed order.

    Empty once the measure has failed: the page changes no more, and what these say then is the measure's choice.
    """
    if submission.state is State.FAILED:
        return ()
    rows = session.execute(
        select(EvaluationRecord.purpose, EvaluationRecord.state, func.count(ValueRecord.network_id))
        .outerjoin(ValueRecord, ValueRecord.evaluation_id == EvaluationRecord.id)
        .where(EvaluationRecord.submission_id == submission.id, EvaluationRecord.attempt == submission.attempt)
        .group_by(EvaluationRecord.id)
        .order_by(EvaluationRecord.id)
    )
    return tuple((purpose, state, done) for purpose, state, done in rows)
