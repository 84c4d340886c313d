"""Fair shares of the workers' time between entrants: start-time fair queuing (Goyal, Vin and Cheng 1996).

Each entrant of a phase has a share, which sums up the seconds that its runs were given. The share with the least of
those that have something waiting is served next, and pays in advance for what is claimed. One that comes back from a
pause begins at the least of the others, so that a pause earns nothing and costs nothing. Participants' work goes before
that of baselines, and first evaluations before repeats.

Shares also count the networks that may be claimed now, in the transactions that change this, so that no query counts
runs. Called by `submissions.evaluation.queue` and `attempts` with the submission locked; a share is locked after it.
"""

from sqlalchemy import (
    Case,
    ColumnElement,
    Double,
    Integer,
    ScalarSelect,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from submissions.storage.records import EvaluationRecord, Purpose, ShareRecord, SubmissionRecord, ValueRecord

NONE = literal_column("0", Integer)  # not a parameter: a prepared plan must be able to use the indexes of what waits
OVERHEAD_S = 0.1  # what a network costs a slot beside the measure's own time
_VALUES = 8  # how many recorded values say how long a network of a submission takes


def share_of(session: Session, submission: SubmissionRecord, purpose: Purpose) -> int:
    """Return the id of the share that evaluations of this purpose belong to; the first of its kind is created."""
    tier = (2 if submission.is_baseline else 0) + (1 if purpose is Purpose.REPEAT else 0)
    own = select(ShareRecord.id).where(
        ShareRecord.phase_id == submission.phase_id,
        ShareRecord.entrant == submission.entrant,
        ShareRecord.tier == tier,
    )
    found = session.scalar(own)
    if found is not None:
        return found
    usual = session.scalar(select(func.avg(ShareRecord.network_s)).where(ShareRecord.waiting > NONE))
    share = ShareRecord(phase_id=submission.phase_id, entrant=submission.entrant, tier=tier, network_s=usual or 1.0)
    try:
        with session.begin_nested():
            session.add(share)
    except IntegrityError:  # another submission of the entrant has just created it
        return session.scalars(own).one()
    return share.id


def purpose_of(tier: int) -> Purpose:
    """Return the purpose of the evaluations of a tier that are no smoke runs."""
    return Purpose.REPEAT if tier % 2 else Purpose.SCORE


def _start() -> Case[float]:
    """The seconds with which a share goes on: the least of the others if it has had nothing waiting."""
    share, other = ShareRecord, aliased(ShareRecord)
    least = select(func.min(other.used_s)).where(other.tier == share.tier, other.waiting > NONE).scalar_subquery()
    most = select(func.max(other.used_s)).where(other.tier == share.tier).scalar_subquery()
    start = func.coalesce(least, most)
    return case((and_(share.waiting == 0, share.used_s < start), start), else_=share.used_s)


def _usual_s() -> ScalarSelect[float | None]:
    same = aliased(EvaluationRecord)
    some = (
        select(ValueRecord.wall_s)
        .join(same, same.id == ValueRecord.evaluation_id)
        .where(same.submission_id == SubmissionRecord.id)
        .limit(_VALUES)
        .correlate(SubmissionRecord)
        .subquery()
    )
    return select(func.avg(some.c.wall_s)).scalar_subquery()


# Statements are built once: that costs more than to execute them.
USUAL_S = _usual_s()  # the mean seconds of some networks of a submission; NULL if no value is recorded
_networks = bindparam("number", type_=Integer)
_ADD_TO_EVALUATION = (
    update(EvaluationRecord)
    .where(EvaluationRecord.id == bindparam("evaluation_id"))
    .values(waiting=EvaluationRecord.waiting + _networks)
    .returning(EvaluationRecord.share_id)
    .execution_options(synchronize_session=False)
)
_of_share = update(ShareRecord).where(ShareRecord.id == bindparam("share_id"))
_ADD_TO_SHARE = _of_share.values(used_s=_start(), waiting=ShareRecord.waiting + _networks).execution_options(
    synchronize_session=False
)
_network_s = func.coalesce(bindparam("usual", type_=Double), ShareRecord.network_s)
_CHARGE = _of_share.values(
    used_s=ShareRecord.used_s + _networks * _network_s,
    network_s=_network_s,
    waiting=ShareRecord.waiting - _networks,
).execution_options(synchronize_session=False)


def add(session: Session, evaluation_id: int, networks: int) -> None:
    """Let so many more networks of an evaluation be claimed."""
    share_id = session.scalar(_ADD_TO_EVALUATION, {"evaluation_id": evaluation_id, "number": networks})
    session.execute(_ADD_TO_SHARE, {"share_id": share_id, "number": networks})


def take(session: Session, evaluation: EvaluationRecord, networks: int, usual_s: float | None) -> None:
    """Take networks out of what may be claimed, and have the share pay for their expected seconds.

    Parameters
    ----------
    usual_s : float or None
        What networks of the submission take; None if none was evaluated: then what the entrant's last ones took.
    """
    evaluation.waiting -= networks
    usual = None if usual_s is None else usual_s + OVERHEAD_S
    session.execute(_CHARGE, {"share_id": evaluation.share_id, "number": networks, "usual": usual})


def remove(session: Session, *conditions: ColumnElement[bool]) -> None:
    """Let nothing more be claimed of the evaluations that satisfy the conditions."""
    record = EvaluationRecord
    waiting = session.execute(
        select(record.share_id, func.sum(record.waiting))
        .where(record.waiting > NONE, *conditions)
        .group_by(record.share_id)
        .order_by(record.share_id)
    ).all()
    if not waiting:
        return
    for share_id, networks in waiting:
        session.execute(
            update(ShareRecord)
            .where(ShareRecord.id == share_id)
            .values(waiting=ShareRecord.waiting - networks)
            .execution_options(synchronize_session=False)
        )
    session.execute(
        update(record)
        .where(record.waiting > NONE, *conditions)
        .values(waiting=0)
        .execution_options(synchronize_session="fetch")
    )


def waiting(session: Session) -> int:
    """Return how many networks may be claimed now."""
    return session.scalar(select(func.sum(ShareRecord.waiting)).where(ShareRecord.waiting > NONE)) or 0
