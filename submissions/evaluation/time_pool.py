"""Pooled wall time: all networks of a zoo together may take the limit per network times their number.

It sums the recorded seconds, so it does not depend on the number of workers. Called by
`submissions.evaluation.outcomes` and `submissions.evaluation.queue`.
"""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from submissions.storage.records import (
    EvaluationRecord,
    PhaseRecord,
    Purpose,
    SubmissionRecord,
    TimeRule,
    ValueRecord,
    ZooRecord,
)


def left_s(session: Session, evaluation: EvaluationRecord) -> float | None:
    """Return the wall seconds left to the evaluation's networks, below 0 if they took too long.

    Returns
    -------
    float or None
        None if the phase limits the time per network.
    """
    limit_s = _limit_s(session, evaluation)
    if limit_s is None:
        return None
    spent_s = session.scalar(select(func.sum(ValueRecord.wall_s)).where(ValueRecord.evaluation_id == evaluation.id))
    return limit_s - (spent_s or 0.0)


def too_long(session: Session, evaluation: EvaluationRecord) -> str:
    """Return the detail of the failure of a submission whose networks together took too long."""
    return f"longer than the {_limit_s(session, evaluation):g} s that all networks of the zoo have together (pooled)"


def _limit_s(session: Session, evaluation: EvaluationRecord) -> float | None:
    phase = session.scalars(
        select(PhaseRecord)
        .join(SubmissionRecord, SubmissionRecord.phase_id == PhaseRecord.id)
        .where(SubmissionRecord.id == evaluation.submission_id)
    ).one()
    if phase.time_rule is not TimeRule.POOLED:
        return None
    # A repeated network may take as long again as it could take the first time.
    is_repeat = evaluation.purpose is Purpose.REPEAT
    networks = session.get_one(ZooRecord, evaluation.zoo_id).networks if is_repeat else evaluation.networks
    return phase.limits.wall_s * networks
