"""A phase's standings: who counts, in which order, with which rounded numbers. Called by pages.

Rank and rounding are decided here once, so that a page, an API and an export of one phase agree. A user's
best submission counts; every baseline is an entrant of its own; hidden and disqualified submissions are out.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, func, select
from sqlalchemy.orm import Session

from submissions.records import (
    EvaluationRecord,
    PhaseZooRecord,
    Purpose,
    SubmissionRecord,
    UserRecord,
    ValueRecord,
    ZooRecord,
)
from submissions.states import State

SCORE_DIGITS = 2
TAU_DIGITS = 3
OPEN_SHOWN = 20


@dataclass(frozen=True)
class Column:
    """One zoo of the phase."""

    zoo_id: int
    name: str
    title: str


@dataclass(frozen=True)
class Cell:
    """One submission on one zoo: 100 x CMI and Kendall's tau, rounded; None where not scored."""

    cmi: float | None
    kendall_tau: float | None


@dataclass(frozen=True)
class Row:
    """One entrant. `score` is rounded, and equal rounded scores share a rank (1, 2, 2, 4)."""

    rank: int
    is_tied: bool
    submission_id: int
    name: str
    user_id: int
    user_name: str
    is_baseline: bool
    score: float
    cells: tuple[Cell, ...]
    submitted_at: datetime


@dataclass(frozen=True)
class OpenSubmission:
    """A submission still queued or running: `done` of `networks` have their value."""

    submission_id: int
    name: str
    user_name: str
    state: State
    done: int
    networks: int


@dataclass(frozen=True)
class Standings:
    """A phase's board. `open_submissions` are the newest of `open_total` still queued or running."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    open_submissions: tuple[OpenSubmission, ...]
    open_total: int


def standings(session: Session, phase_id: int) -> Standings:
    """The standings of one phase, in five queries whatever its size."""
    columns = tuple(
        Column(*zoo)
        for zoo in session.execute(
            select(ZooRecord.id, ZooRecord.name, ZooRecord.title)
            .join(PhaseZooRecord)
            .where(PhaseZooRecord.phase_id == phase_id)
            .order_by(PhaseZooRecord.position)
        )
    )
    open_submissions, open_total = _open_submissions(session, phase_id)
    return Standings(columns, _ranked(_entries(session, phase_id, columns)), open_submissions, open_total)


def percent(cmi: float | None) -> float | None:
    """A conditional mutual information in 0..1 as the rounded 0..100 that pages show."""
    return None if cmi is None else round(100 * cmi, SCORE_DIGITS)


def rounded_tau(kendall_tau: float | None) -> float | None:
    return None if kendall_tau is None else round(kendall_tau, TAU_DIGITS)


def _entries(session: Session, phase_id: int, columns: tuple[Column, ...]) -> list[Row]:
    """Every entrant's best submission, best first, not ranked yet. Equal scores: the earlier one first."""
    entrant = case((SubmissionRecord.is_baseline, -SubmissionRecord.id), else_=SubmissionRecord.user_id)
    order = (SubmissionRecord.score.desc(), SubmissionRecord.created_at, SubmissionRecord.id)
    placed = (
        select(
            SubmissionRecord.id,
            func.row_number().over(partition_by=entrant, order_by=order).label("place"),
        )
        .where(
            _shown(phase_id),
            SubmissionRecord.state == State.SCORED,
            SubmissionRecord.score.is_not(None),
            SubmissionRecord.is_disqualified.is_(False),
        )
        .subquery()
    )
    best = session.execute(
        select(
            SubmissionRecord.id,
            SubmissionRecord.name,
            SubmissionRecord.user_id,
            UserRecord.name,
            SubmissionRecord.is_baseline,
            SubmissionRecord.score,
            SubmissionRecord.created_at,
            EvaluationRecord.zoo_id,
            EvaluationRecord.cmi,
            EvaluationRecord.kendall_tau,
        )
        .join(placed, and_(placed.c.id == SubmissionRecord.id, placed.c.place == 1))
        .join(UserRecord, UserRecord.id == SubmissionRecord.user_id)
        .outerjoin(EvaluationRecord, _current_evaluations())
        .order_by(*order)
    ).all()
    rows: dict[int, Row] = {}
    cells: dict[int, dict[int, Cell]] = {}
    for submission_id, name, user_id, user_name, is_baseline, score, created_at, zoo_id, cmi, tau in best:
        assert score is not None  # the query asks for it
        cells.setdefault(submission_id, {})[zoo_id] = Cell(percent(cmi), rounded_tau(tau))
        rows[submission_id] = Row(
            rank=0,
            is_tied=False,
            submission_id=submission_id,
            name=name,
            user_id=user_id,
            user_name=user_name,
            is_baseline=is_baseline,
            score=round(score, SCORE_DIGITS),
            cells=(),
            submitted_at=created_at,
        )
    return [
        replace(row, cells=tuple(cells[submission_id].get(column.zoo_id, Cell(None, None)) for column in columns))
        for submission_id, row in rows.items()
    ]


def _ranked(rows: list[Row]) -> tuple[Row, ...]:
    """`rows` (best first) with their ranks: one more than the number of better rounded scores."""
    entrants = Counter(row.score for row in rows)
    ranks: dict[float, int] = {}
    better = 0
    for score, count in entrants.items():
        ranks[score] = better + 1
        better += count
    return tuple(replace(row, rank=ranks[row.score], is_tied=entrants[row.score] > 1) for row in rows)


def _open_submissions(session: Session, phase_id: int) -> tuple[tuple[OpenSubmission, ...], int]:
    is_open = and_(_shown(phase_id), SubmissionRecord.state.in_((State.QUEUED, State.RUNNING)))
    total = session.scalar(select(func.count()).select_from(SubmissionRecord).where(is_open)) or 0
    if total == 0:
        return (), 0
    found = session.execute(
        select(
            SubmissionRecord.id,
            SubmissionRecord.name,
            UserRecord.name,
            SubmissionRecord.state,
            func.coalesce(func.sum(EvaluationRecord.networks), 0),
        )
        .join(UserRecord, UserRecord.id == SubmissionRecord.user_id)
        .outerjoin(EvaluationRecord, _current_evaluations())
        .where(is_open)
        .group_by(SubmissionRecord.id, SubmissionRecord.name, UserRecord.name, SubmissionRecord.state)
        .order_by(SubmissionRecord.id.desc())
        .limit(OPEN_SHOWN)
    ).all()
    done = dict(
        session.execute(
            select(SubmissionRecord.id, func.count())
            .join(EvaluationRecord, _current_evaluations())
            .join(ValueRecord, ValueRecord.evaluation_id == EvaluationRecord.id)
            .where(SubmissionRecord.id.in_([row[0] for row in found]))
            .group_by(SubmissionRecord.id)
        ).all()
    )
    return tuple(
        OpenSubmission(submission_id, name, user_name, state, done.get(submission_id, 0), networks)
        for submission_id, name, user_name, state, networks in found
    ), total


def _shown(phase_id: int) -> ColumnElement[bool]:
    return and_(SubmissionRecord.phase_id == phase_id, SubmissionRecord.is_hidden.is_(False))


def _current_evaluations() -> ColumnElement[bool]:
    """The scored evaluations of the submission's current attempt."""
    return and_(
        EvaluationRecord.submission_id == SubmissionRecord.id,
        EvaluationRecord.attempt == SubmissionRecord.attempt,
        EvaluationRecord.purpose == Purpose.SCORE,
    )
