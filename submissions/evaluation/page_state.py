"""Whether a submission's page has anything new to show: one small query, for pages that ask every second or two.

What the page then shows is `submissions.evaluation.submission_progress`'s and `submissions.evaluation.eta`'s.
"""

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from submissions.results.disclosure import Disclosure
from submissions.storage.records import EvaluationRecord, Purpose, ValueRecord, ZooRecord
from submissions.storage.states import State
from submissions.storage.submission_head import AnySubmission

_STAGES = (
    select(
        EvaluationRecord.purpose,
        EvaluationRecord.state,
        func.count(ValueRecord.network_id),
        EvaluationRecord.networks,
        ZooRecord.truth_public,
    )
    .join(ZooRecord, ZooRecord.id == EvaluationRecord.zoo_id)
    .outerjoin(ValueRecord, ValueRecord.evaluation_id == EvaluationRecord.id)
    .where(
        EvaluationRecord.submission_id == bindparam("submission_id"), EvaluationRecord.attempt == bindparam("attempt")
    )
    .group_by(EvaluationRecord.id, ZooRecord.id)
    .order_by(EvaluationRecord.id)
)


def page_state(session: Session, submission: AnySubmission, told: Disclosure) -> tuple[tuple[Purpose, State, int], ...]:
    """Purpose, state and number of values of each evaluation of the current attempt, in a fixed order.

    Empty once the measure has failed: the page changes no more, and what these say then is the measure's choice.

    Parameters
    ----------
    told : Disclosure
        What the reader may be told: numbers are as coarse as on the page.
    """
    if submission.state is State.FAILED:
        return ()
    rows = session.execute(_STAGES, {"submission_id": submission.id, "attempt": submission.attempt})
    return tuple(
        (purpose, state, told.done(done, networks, truth_public=truth_public))
        for purpose, state, done, networks, truth_public in rows
        if purpose is not Purpose.REPEAT or not told.is_coarse
    )
