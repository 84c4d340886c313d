"""Boards in a few numbers, for lists of phases: how many take part, how many measures count, who leads by how much."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from submissions.storage.records import StandingRecord, SubmissionRecord


@dataclass(frozen=True)
class BoardSummary:
    """Of one phase: teams and people with a score, baselines beside them, and the best score that is shown."""

    entrants: int
    baselines: int
    best: float


def board_summaries(session: Session, phase_ids: Collection[int]) -> Mapping[int, BoardSummary]:
    """By phase; one whose board is empty has none. Reference rows are there to read by, and do not lead."""
    is_baseline = SubmissionRecord.is_baseline
    rows = session.execute(
        select(
            StandingRecord.phase_id,
            func.count(case((is_baseline.is_(False), 1))),
            func.count(case((is_baseline, 1))),
            func.max(StandingRecord.shown_score),
        )
        .join(SubmissionRecord, SubmissionRecord.id == StandingRecord.submission_id)
        .where(StandingRecord.phase_id.in_(phase_ids), StandingRecord.is_reference.is_(False))
        .group_by(StandingRecord.phase_id)
    )
    return {phase_id: BoardSummary(entrants, baselines, best) for phase_id, entrants, baselines, best in rows}
