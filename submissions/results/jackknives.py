"""Reading the stored jackknives of submissions, on which all comparisons rest.

Called by the standings (for the Ladder), by the rank intervals and by the comparison of two submissions.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from scoring import Jackknife, Jackknives
from submissions.storage.records import EvaluationRecord, Purpose, SubmissionRecord
from submissions.storage.states import State

_AT_A_TIME = 500  # parameters of one query


def jackknives_of(session: Session, submission_ids: Sequence[int]) -> dict[int, Jackknives]:
    """Return the jackknives of current attempts: submission id → zoo id (as text) → jackknife.

    A submission is omitted unless it is scored with a jackknife on every zoo. Scores of older versions have none, nor
    has a zoo on which nothing is left to predict without one of its networks.
    """
    found: dict[int, dict[str, Jackknife]] = {}
    incomplete: set[int] = set()
    for start in range(0, len(submission_ids), _AT_A_TIME):
        rows = session.execute(
            select(EvaluationRecord.submission_id, EvaluationRecord.zoo_id, EvaluationRecord.report["jackknife"])
            .join(
                SubmissionRecord,
                and_(
                    SubmissionRecord.id == EvaluationRecord.submission_id,
                    SubmissionRecord.attempt == EvaluationRecord.attempt,
                ),
            )
            .where(
                SubmissionRecord.id.in_(submission_ids[start : start + _AT_A_TIME]),
                EvaluationRecord.purpose == Purpose.SCORE,
                EvaluationRecord.state == State.SCORED,
            )
            .order_by(EvaluationRecord.submission_id, EvaluationRecord.position)
        )
        for submission_id, zoo_id, content in rows:
            if content is None:
                incomplete.add(submission_id)
            else:
                found.setdefault(submission_id, {})[str(zoo_id)] = _parsed(content)
    return {submission_id: zoos for submission_id, zoos in found.items() if submission_id not in incomplete}


def _parsed(content: Mapping[str, Any]) -> Jackknife:
    return Jackknife(content["estimate"], content["standard_error"], content["left_out"])
