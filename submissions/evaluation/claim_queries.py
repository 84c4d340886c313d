"""The queries of a claim: which share and evaluation are next, what a worker needs to know, and the runs it takes.

They are built once, because that costs more than to execute them. `submissions.evaluation.queue` executes them.
"""

from typing import Any

from sqlalchemy import Update, bindparam, exists, select, update
from sqlalchemy.orm import aliased

from submissions.evaluation import fair_share
from submissions.evaluation.fair_share import NONE
from submissions.storage.records import (
    EvaluationRecord,
    PhaseRecord,
    Purpose,
    RunRecord,
    ShareRecord,
    SubmissionRecord,
    ZooRecord,
)
from submissions.storage.states import OPEN

_CANDIDATES = 8  # a claim takes the first of them whose submission nobody holds


def _share() -> Any:
    """The share that is next but for `tried`, its tier, whether it has a smoke run, and whether any has priority."""
    waiting, smoke = aliased(EvaluationRecord), aliased(EvaluationRecord)
    is_smoke = smoke.purpose == Purpose.SMOKE
    has_smoke = exists().where(smoke.share_id == ShareRecord.id, is_smoke, smoke.waiting > NONE)
    is_urgent = exists().where(
        SubmissionRecord.state.in_(OPEN),
        SubmissionRecord.priority > NONE,
        waiting.submission_id == SubmissionRecord.id,
        waiting.waiting > NONE,
    )
    share = ShareRecord
    return (
        select(share.id, share.tier, has_smoke.label("has_smoke"), is_urgent.label("is_urgent"))
        .where(share.waiting > NONE, share.id.not_in(bindparam("tried", expanding=True)))
        .order_by(share.tier, share.used_s, share.id)
        .limit(1)
    )


def _of_share() -> Any:
    """The evaluations of `purpose` that are next of the share `share_id`, with their submissions.

    No join: one by merging would go through all older submissions.
    """
    evaluation = EvaluationRecord
    return (
        select(evaluation.id, evaluation.submission_id)
        .where(
            evaluation.share_id == bindparam("share_id"),
            evaluation.purpose == bindparam("purpose"),
            evaluation.waiting > NONE,
        )
        .order_by(evaluation.submission_id, evaluation.position)
        .limit(_CANDIDATES)
    )


def _urgent() -> Any:
    """The evaluations that are next of the submissions with priority, with their submissions."""
    evaluation, submission = EvaluationRecord, SubmissionRecord
    return (
        select(evaluation.id, evaluation.submission_id)
        .join(submission, submission.id == evaluation.submission_id)
        .where(evaluation.waiting > NONE, submission.state.in_(OPEN), submission.priority > NONE)
        .order_by(submission.priority.desc(), submission.id, evaluation.purpose.desc(), evaluation.position)
        .limit(_CANDIDATES)
    )


def _work() -> Any:
    """What a claim needs to know of the evaluation `evaluation_id`."""
    phase = PhaseRecord.time_rule, PhaseRecord.limits  # the whole record has a column that searches
    return (
        select(EvaluationRecord, SubmissionRecord, *phase, ZooRecord.manifest_sha256, fair_share.USUAL_S)
        .join(SubmissionRecord, SubmissionRecord.id == EvaluationRecord.submission_id)
        .join(PhaseRecord, PhaseRecord.id == SubmissionRecord.phase_id)
        .join(ZooRecord, ZooRecord.id == EvaluationRecord.zoo_id)
        .where(EvaluationRecord.id == bindparam("evaluation_id"))
    )


def _take() -> Update:
    """Claim the next `batch` pending runs of `evaluation_id` for `owner` until `until`."""
    run_ids = (
        select(RunRecord.id)
        .where(RunRecord.evaluation_id == bindparam("of_evaluation"), RunRecord.state == "pending")
        .order_by(RunRecord.position)
        .limit(bindparam("batch"))
    )
    return (
        update(RunRecord)
        .where(RunRecord.id.in_(run_ids), RunRecord.state == "pending")
        .values(state="claimed", lease_owner=bindparam("owner"), lease_until=bindparam("until"))
        .returning(RunRecord.position, RunRecord.id, RunRecord.network_id)
        .execution_options(synchronize_session=False)
    )


SHARE, OF_SHARE, URGENT = _share(), _of_share(), _urgent()
SHARE_LOCKED = SHARE.with_for_update(of=ShareRecord, key_share=True, skip_locked=True)
_SUBMISSION = select(SubmissionRecord.id).where(SubmissionRecord.id == bindparam("submission_id"))
LOCK, TRY_LOCK = _SUBMISSION.with_for_update(), _SUBMISSION.with_for_update(skip_locked=True)
WORK, TAKE = _work(), _take()
