"""The history of a leaderboard: the score of each of the first entrants after each of their submissions.

It shows what the board would have shown with today's rules and submissions: hidden and disqualified ones do not occur.
Neither do submissions with another alias than the one that counts, because readers must not learn that both have the
same author. Called by the leaderboard's history page.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from submissions.leaderboard import board_page
from submissions.leaderboard.counting_rule import Rules, rules_of
from submissions.leaderboard.model import Query, Row
from submissions.results.disclosure import EVERYBODY, Reader, board_disclosure, is_frozen
from submissions.storage.records import CountRule, PhaseRecord, SubmissionRecord
from submissions.storage.states import State

FIRST = 10


@dataclass(frozen=True)
class Step:
    """From this time on the entrant had this score, with this submission."""

    at: datetime
    score: float
    submission_id: int
    name: str


@dataclass(frozen=True)
class Course:
    """An entrant's steps in order of time; there is at least one."""

    row: Row
    steps: tuple[Step, ...]

    @property
    def label(self) -> str:
        """The name of the entrant in a picture."""
        return self.row.by or self.row.name


def history(session: Session, phase_id: int, first: int = FIRST, reader: Reader = EVERYBODY) -> tuple[Course, ...]:
    """Return the courses of the first entrants, best first, without reference rows."""
    phase = session.get_one(PhaseRecord, phase_id)
    rules, told = rules_of(phase), board_disclosure(phase)
    board = board_page.page(session, phase_id, Query(size=2 * first), reader)
    rows = [row for row in board.rows if row.rank is not None]
    steps = _scored(session, phase_id, rows[:first], rules)
    return tuple(
        Course(row, tuple(replace(step, at=told.moment(step.at)) for step in _course(found, row, rules)))
        for row in rows[:first]
        if (found := steps.get(row.entrant))
    )


def _scored(session: Session, phase_id: int, shown: Sequence[Row], rules: Rules) -> dict[str, list[Step]]:
    """Return all scores of the entrants under the names in `shown`, in the order of scoring."""
    aliases = {row.entrant: row.by if row.is_alias else None for row in shown}
    query = select(SubmissionRecord).where(
        SubmissionRecord.phase_id == phase_id,
        SubmissionRecord.entrant.in_(list(aliases)),
        SubmissionRecord.state == State.SCORED,
        SubmissionRecord.is_hidden.is_(False),
        SubmissionRecord.is_disqualified.is_(False),
        SubmissionRecord.shown_score.is_not(None),
    )
    if rules.uses_ladder:
        query = query.where(SubmissionRecord.is_released | SubmissionRecord.is_baseline)
    found: dict[str, list[Step]] = {}
    for one in session.scalars(query.order_by(SubmissionRecord.finished_at, SubmissionRecord.id)):
        if one.alias == aliases[one.entrant] and not is_frozen(rules.freezes_at, one.finished_at):
            step = Step(one.finished_at or one.created_at, one.shown_score or 0.0, one.id, one.name)
            found.setdefault(one.entrant, []).append(step)
    return found


def _course(scored: Sequence[Step], row: Row, rules: Rules) -> list[Step]:
    """Return the scores that the board would have shown: each new one if the last counts, else each better one.

    A choice has no date on record: it ends the course if the chosen score is not the best.
    """
    if not rules.uses_ladder and rules.count_rule is CountRule.LAST:
        return list(scored)
    course: list[Step] = []
    for step in scored:
        if not course or step.score > course[-1].score:
            course.append(step)
    if course[-1].submission_id != row.submission_id and course[-1].score != row.score:
        course.append(replace(scored[-1], score=row.score, submission_id=row.submission_id, name=row.name))
    return course
