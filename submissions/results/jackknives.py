"""Reading the stored jackknives of submissions, on which all comparisons rest.

Called by the standings (for the Ladder), by the rank intervals and by the comparison of two submissions.
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from scoring import Jackknife, Jackknives
from submissions.storage.queries import enters_score, parts
from submissions.storage.records import EvaluationRecord, SubmissionRecord
from submissions.storage.states import State


def jackknives_of(session: Session, submission_ids: Sequence[int]) -> dict[int, Jackknives]:
    """Return the jackknives of current attempts: submission id → zoo id (as text) → jackknife.

    A submission is omitted unless it is scored with a jackknife on every zoo. Scores of older versions have none, nor
    has a zoo on which nothing is left to predict without one of its networks.
    """
    found: dict[int, dict[str, Jackknife]] = {}
    incomplete: set[int] = set()
    for part in parts(submission_ids):
        rows = session.execute(
            select(EvaluationRecord.submission_id, EvaluationRecord.zoo_id, EvaluationRecord.report["jackknife"])
            .join(SubmissionRecord, enters_score())
            .where(SubmissionRecord.id.in_(part), EvaluationRecord.state == State.SCORED)
            .order_by(EvaluationRecord.submission_id, EvaluationRecord.position)
        )
        for submission_id, zoo_id, content in rows:
            if content is None:
                incomplete.add(submission_id)
            else:
                jackknife = Jackknife(content["estimate"], content["standard_error"], content["left_out"])
                found.setdefault(submission_id, {})[str(zoo_id)] = jackknife
    return {submission_id: zoos for submission_id, zoos in found.items() if submission_id not in incomplete}
