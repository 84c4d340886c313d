"""Boards in a few numbers, for lists of phases: the number of entrants and baselines, and the best score."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import case, false, func, or_, select
from sqlalchemy.orm import Session

from submissions.leaderboard.standings import is_on_board
from submissions.results.disclosure import EVERYBODY, Reader, withholds_scores
from submissions.storage.records import PhaseRecord, StandingRecord, SubmissionRecord


@dataclass(frozen=True)
class BoardSummary:
    """A phase's number of teams and people with a score, its number of baselines, and the best visible score."""

    entrants: int
    baselines: int
    best: float


def board_summaries(
    session: Session, phase_ids: Collection[int], reader: Reader = EVERYBODY
) -> Mapping[int, BoardSummary]:
    """Return the summaries by phase id; a board that is empty, or not shown yet, has none.

    Reference rows are not counted.
    """
    is_baseline = SubmissionRecord.is_baseline
    phases = session.scalars(select(PhaseRecord).where(PhaseRecord.id.in_(phase_ids))).all()
    shown = [phase for phase in phases if not withholds_scores(phase, reader)]
    rows = session.execute(
        select(
            StandingRecord.phase_id,
            func.count(case((is_baseline.is_(False), 1))),
            func.count(case((is_baseline, 1))),
            func.max(StandingRecord.shown_score),
        )
        .join(SubmissionRecord, SubmissionRecord.id == StandingRecord.submission_id)
        .where(or_(false(), *map(is_on_board, shown)), StandingRecord.is_reference.is_(False))
        .group_by(StandingRecord.phase_id)
    )
    return {phase_id: BoardSummary(entrants, baselines, best) for phase_id, entrants, baselines, best in rows}
