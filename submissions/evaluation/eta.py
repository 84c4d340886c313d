"""When a submission's turn comes: its place in the queue, and a rough time from what networks took lately.

Every query is bounded, so that an estimate costs about the same however many submissions wait. Fair shares of entrants
are left out: the order is by priority and age. Called by the submission's page and the API.

Anybody may ask again and again, so an estimate must not tell when a network on a hidden zoo ended or how long it took,
which a measure decides on what it has seen there. Networks count in tenths of an evaluation, as on the page, and their
seconds come from zoos with public truth alone.
"""

import math
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Integer, Select, and_, case, func, or_, select
from sqlalchemy.orm import Session

from submissions.evaluation.workers import known_workers
from submissions.results.disclosure import TENTHS
from submissions.storage.records import EvaluationRecord, SubmissionRecord, ValueRecord, ZooRecord
from submissions.storage.states import OPEN, State
from submissions.storage.submission_head import AnySubmission

MOST_COUNTED = 1000  # submissions ahead; where more wait, only a lower bound is known
RECENT = 20  # evaluations on zoos with public truth whose values say how long a network takes
OVERHEAD_S = 0.1  # what a network costs beside the measure's own time: its process, its files, its record


@dataclass(frozen=True)
class Estimate:
    """place: which of the waiting submissions it is, counted from 1; None once its scored networks have begun.

    begins_s, ends_s: seconds until its scored networks begin and until its last network ends, roughly; None where
    no network of a zoo with public truth was evaluated lately. With is_more place and seconds are the least that it can
    be. slots: how many work.
    """

    place: int | None
    begins_s: float | None
    ends_s: float | None
    is_more: bool
    slots: int


def estimate(session: Session, submission: AnySubmission, *, sweep_s: float) -> Estimate | None:
    """When the submission's turn comes and when it is through, roughly; None where it has ended."""
    if submission.state.is_final:
        return None
    slots = sum(one.slots for one in known_workers(session, sweep_s=sweep_s) if one.is_alive and one.refusal is None)
    is_waiting = submission.state is State.QUEUED or not submission.spends_quota
    ahead = _ahead(submission)
    counted = session.scalar(select(func.count()).select_from(ahead.subquery())) or 0 if is_waiting else 0
    place, is_more = (counted + 1 if is_waiting else None), counted == MOST_COUNTED
    of_own = EvaluationRecord.submission_id == submission.id
    is_scored = EvaluationRecord.state == State.SCORED
    usual_s = _seconds(session, is_scored, RECENT)
    own_s = _seconds(session, of_own, MOST_COUNTED) or usual_s
    if slots == 0 or own_s is None:
        return Estimate(place, None, None, is_more, slots)
    own, _ = _networks_left(session, of_own)
    record = SubmissionRecord
    begun = select(record.id).where(record.state == State.RUNNING, record.spends_quota, record.id != submission.id)
    before, others = _networks_left(session, EvaluationRecord.submission_id.in_(begun.limit(MOST_COUNTED)))
    if is_waiting:
        before += _networks_left(session, EvaluationRecord.submission_id.in_(ahead))[0]
    else:
        before = min(before, own * others)  # it takes turns with those at work
    begins_s = before * (usual_s or own_s) / slots
    begins_s, ends_s = begins_s if is_waiting else 0.0, begins_s + own * own_s / slots
    return Estimate(place, roughly(begins_s), roughly(ends_s), is_more, slots)


def roughly(duration_s: float) -> float:
    """Round seconds up to 10, 20, 50, 100, 200, 500, …; 0 stays 0."""
    if duration_s <= 0:
        return 0.0
    power = max(1, math.floor(math.log10(duration_s)))
    return next(step * 10.0**power for step in (1, 2, 5, 10) if duration_s <= step * 10.0**power * (1 + 1e-9))


def _ahead(submission: AnySubmission) -> Select[int]:
    """The submissions that wait and are before this one, `MOST_COUNTED` at most."""
    one = SubmissionRecord
    is_before = and_(one.priority == submission.priority, one.id < submission.id)
    is_waiting = or_(one.state == State.QUEUED, and_(one.state == State.RUNNING, one.spends_quota.is_(False)))
    query = select(one.id).where(is_waiting, or_(one.priority > submission.priority, is_before))
    return query.limit(MOST_COUNTED)


def _seconds(session: Session, of: ColumnElement[bool], most: int) -> float | None:
    """The mean seconds of a network in the last of these evaluations, `most` at most, on zoos with public truth."""
    last = select(EvaluationRecord.id, EvaluationRecord.zoo_id).where(of).order_by(EvaluationRecord.id.desc())
    found = last.limit(MOST_COUNTED).subquery()
    public = select(found.c.id).join(ZooRecord, ZooRecord.id == found.c.zoo_id).where(ZooRecord.truth_public)
    counted = public.order_by(found.c.id.desc()).limit(most)
    mean = session.scalar(select(func.avg(ValueRecord.wall_s)).where(ValueRecord.evaluation_id.in_(counted)))
    return None if mean is None else mean + OVERHEAD_S


def _networks_left(session: Session, of: ColumnElement[bool]) -> tuple[int, int]:
    """How many networks of these evaluations have no value yet, as far as tenths say, and of how many submissions."""
    # The state is asked in the sum: as a condition it would have SQLite go through everything that waits.
    is_open = EvaluationRecord.state.in_(OPEN)
    values = select(func.count()).where(ValueRecord.evaluation_id == EvaluationRecord.id).scalar_subquery()
    networks = EvaluationRecord.networks
    # As `Disclosure.done` counts.
    done = networks * (TENTHS * values // func.nullif(networks, 0, type_=Integer)) // TENTHS
    left = func.sum(case((is_open, networks - done), else_=0))
    total, submissions = session.execute(
        select(left, func.count(EvaluationRecord.submission_id.distinct())).where(of)
    ).one()
    return int(total or 0), submissions  # PostgreSQL adds up decimals
