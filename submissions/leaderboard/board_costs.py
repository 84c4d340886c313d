"""What the submissions on a leaderboard cost: seconds per network on the phase's public zoos, for its picture.

Only what everybody may be told: times on zoos with public truth, and with the Ladder those of baselines alone.
"""

from collections.abc import Mapping

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from submissions.leaderboard import board_page
from submissions.leaderboard.model import Board, Query, Row
from submissions.results.disclosure import Reader, board_disclosure
from submissions.storage.queries import as_dict, enters_score
from submissions.storage.records import (
    EvaluationRecord,
    PhaseRecord,
    PhaseZooRecord,
    SubmissionRecord,
    ValueRecord,
    ZooRecord,
)
from submissions.storage.states import State

MOST_ROWS = 100


def rows_with_costs(session: Session, phase: PhaseRecord, reader: Reader) -> list[tuple[Row, float]]:
    """Return the first rows of a board whose cost may be told, with seconds per network."""
    board = board_page.page(session, phase.id, Query(size=MOST_ROWS), reader)
    costs = board_costs(session, phase, board)
    return [(row, costs[row.submission_id]) for row in board.rows if row.submission_id in costs]


def board_costs(session: Session, phase: PhaseRecord, board: Board) -> Mapping[int, float]:
    """Return the mean wall time of a network in seconds, by submission, of the first rows of a board as it is told."""
    told = board_disclosure(phase)
    rows = [row for row in board.rows[:MOST_ROWS] if row.is_baseline or not phase.uses_ladder]
    if not rows or not told.tells_costs(truth_public=True):
        return {}
    seconds = (
        select(SubmissionRecord.id, func.avg(ValueRecord.wall_s))
        .join(EvaluationRecord, enters_score())
        .join(ValueRecord, ValueRecord.evaluation_id == EvaluationRecord.id)
        .join(ZooRecord, ZooRecord.id == EvaluationRecord.zoo_id)
        .join(PhaseZooRecord, PhaseZooRecord.zoo_id == ZooRecord.id)
        .where(
            SubmissionRecord.id.in_([row.submission_id for row in rows]),
            SubmissionRecord.state == State.SCORED,
            EvaluationRecord.state == State.SCORED,
            PhaseZooRecord.phase_id == phase.id,
            ZooRecord.truth_public.is_(True),
        )
        .group_by(SubmissionRecord.id)
    )
    return as_dict(session, seconds)
