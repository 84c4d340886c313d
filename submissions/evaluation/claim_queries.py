"""The queries of a claim: which share and evaluation are next, what a worker needs to know, and the runs it takes.

They are built once, because that costs more than to execute them. `submissions.evaluation.queue` executes them.
"""

from typing import Any

from sqlalchemy import Select, Update, bindparam, exists, select, update
from sqlalchemy.orm import aliased

from submissions.evaluation import fair_share
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


def _share() -> Select[Any]:
    """The share that is next but for `tried`, its tier, whether it has a smoke run, and whether any has priority."""
    waiting, smoke = aliased(EvaluationRecord), aliased(EvaluationRecord)
    is_smoke = smoke.purpose == Purpose.SMOKE
    has_smoke = exists().where(smoke.share_id == ShareRecord.id, is_smoke, smoke.waiting > 0)
    is_urgent = exists().where(
        SubmissionRecord.state.in_(OPEN),
        SubmissionRecord.priority > 0,
        waiting.submission_id == SubmissionRecord.id,
        waiting.waiting > 0,
    )
    share = ShareRecord
    return (
        select(share.id, share.tier, has_smoke.label("has_smoke"), is_urgent.label("is_urgent"))
        .where(share.waiting > 0, share.id.not_in(bindparam("tried", expanding=True)))
        .order_by(share.tier, share.used_s, share.id)
        .limit(1)
    )


def _waiting() -> Select[Any]:
    return (
        select(EvaluationRecord.id, SubmissionRecord.id.label("submission_id"))
        .join(SubmissionRecord, SubmissionRecord.id == EvaluationRecord.submission_id)
        .where(EvaluationRecord.waiting > 0)
        .limit(1)
    )


def _of_share() -> Select[Any]:
    """The evaluation of `purpose` that is next of the share `share_id`, with its submission."""
    evaluation = EvaluationRecord
    of_share = evaluation.share_id == bindparam("share_id"), evaluation.purpose == bindparam("purpose")
    return _waiting().where(*of_share).order_by(evaluation.submission_id, evaluation.position)


def _urgent() -> Select[Any]:
    """The evaluation that is next of the submissions with priority, with its submission."""
    evaluation, submission = EvaluationRecord, SubmissionRecord
    in_turn = submission.priority.desc(), submission.id, evaluation.purpose.desc(), evaluation.position
    return _waiting().where(submission.state.in_(OPEN), submission.priority > 0).order_by(*in_turn)


def _locked(query: Select[Any]) -> Select[Any]:
    return query.with_for_update(of=SubmissionRecord, skip_locked=True)


def _work() -> Select[Any]:
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
        .values(
            state="claimed", tries=RunRecord.tries + 1, lease_owner=bindparam("owner"), lease_until=bindparam("until")
        )
        .returning(RunRecord.position, RunRecord.id, RunRecord.network_id)
        .execution_options(synchronize_session=False)
    )


SHARE, OF_SHARE, URGENT = _share(), _of_share(), _urgent()
SHARE_LOCKED = SHARE.with_for_update(of=ShareRecord, key_share=True, skip_locked=True)
OF_SHARE_LOCKED, URGENT_LOCKED = _locked(OF_SHARE), _locked(URGENT)
LOCK = select(SubmissionRecord.id).where(SubmissionRecord.id == bindparam("submission_id")).with_for_update()
WORK, TAKE = _work(), _take()
