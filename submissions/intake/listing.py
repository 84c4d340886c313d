"""A person's own list of submissions, with those of their teams: filtered by phase, a page at a time.

Called by the page "My submissions" and by the API.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session, contains_eager

from submissions.evaluation.submission_progress import seen_score
from submissions.leaderboard.entrants import team_ids_of
from submissions.results.visibility import Sight, sight
from submissions.storage.records import CompetitionRecord, PhaseRecord, SubmissionRecord, UserRecord, utc_now
from submissions.storage.roles import NOTHING, Permission, Permissions
from submissions.storage.states import Reason, State

PER_PAGE = 50


@dataclass(frozen=True)
class Listed:
    """One line. score: as far as its owners may see it (`sees`). made_by: who of the team sent it, None for oneself.

    resubmit_to: the slug of the phase that takes it once more, None where none does.
    """

    submission_id: int
    name: str
    made_by: str | None
    competition_title: str
    competition_slug: str
    phase_title: str
    phase_slug: str
    state: State
    reason: Reason | None
    score: float | None
    sees: Sight
    parent_id: int | None
    created_at: datetime
    resubmit_to: str | None


@dataclass(frozen=True)
class ListedPage:
    """A page of the list, the newest first. total: of all pages together; page counts from 1."""

    items: tuple[Listed, ...]
    total: int
    page: int
    per_page: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.per_page))


@dataclass(frozen=True)
class OwnPhase:
    """A phase in which a person has submissions."""

    phase_id: int
    title: str
    competition_title: str
    count: int


def own_submissions(
    session: Session,
    user_id: int,
    *,
    permissions: Permissions = NOTHING,
    phase_id: int | None = None,
    team_id: int | None = None,
    page: int = 1,
    per_page: int = PER_PAGE,
) -> ListedPage:
    """What the person submitted, and what was submitted for their teams. Without those of hidden phases.

    permissions: the person's, who may see hidden phases and every score. phase_id, team_id: of this phase, or for this
    team, alone.
    """
    condition = _is_own(user_id, permissions)
    if team_id is not None:
        condition = and_(condition, SubmissionRecord.team_id == team_id)
    if phase_id is not None:
        condition = and_(condition, SubmissionRecord.phase_id == phase_id)
    total = session.scalar(
        select(func.count())
        .select_from(SubmissionRecord)
        .join(PhaseRecord, PhaseRecord.id == SubmissionRecord.phase_id)
        .where(condition)
    )
    rows = session.execute(
        select(SubmissionRecord, UserRecord.name)
        .join(SubmissionRecord.phase)
        .join(PhaseRecord.competition)
        .join(UserRecord, UserRecord.id == SubmissionRecord.user_id)
        .options(contains_eager(SubmissionRecord.phase).contains_eager(PhaseRecord.competition))
        .where(condition)
        .order_by(SubmissionRecord.id.desc())
        .limit(per_page)
        .offset((page - 1) * per_page)
    ).all()
    is_open = _open_phases(session, {submission.phase.competition_id for submission, _ in rows}, utc_now())
    items = tuple(
        _listed(submission, None if submission.user_id == user_id else name, is_open, permissions)
        for submission, name in rows
    )
    return ListedPage(items, total or 0, page, per_page)


def own_phases(session: Session, user_id: int, permissions: Permissions = NOTHING) -> list[OwnPhase]:
    """The phases that `own_submissions` can be narrowed to, the latest first."""
    rows = session.execute(
        select(PhaseRecord.id, PhaseRecord.title, CompetitionRecord.title, func.count())
        .select_from(SubmissionRecord)
        .join(PhaseRecord, PhaseRecord.id == SubmissionRecord.phase_id)
        .join(CompetitionRecord, CompetitionRecord.id == PhaseRecord.competition_id)
        .where(_is_own(user_id, permissions))
        .group_by(PhaseRecord.id, CompetitionRecord.id)
        .order_by(PhaseRecord.opens_at.desc(), PhaseRecord.id.desc())
    )
    return [OwnPhase(phase_id, title, competition, count) for phase_id, title, competition, count in rows]


def phase_for_another(session: Session, phase: PhaseRecord, now: datetime) -> PhaseRecord | None:
    """Where a submission of `phase` can be sent once more: there while it is open, else in its competition."""
    return _choose(phase, _open_phases(session, {phase.competition_id}, now))


def _choose(phase: PhaseRecord, is_open: Sequence[PhaseRecord]) -> PhaseRecord | None:
    others = (other for other in is_open if other.competition_id == phase.competition_id)
    return next((other for other in is_open if other.id == phase.id), next(others, None))


def _open_phases(session: Session, competition_ids: Collection[int], now: datetime) -> Sequence[PhaseRecord]:
    return session.scalars(
        select(PhaseRecord)
        .where(
            PhaseRecord.competition_id.in_(competition_ids),
            PhaseRecord.hidden.is_(False),
            PhaseRecord.opens_at <= now,
            or_(PhaseRecord.closes_at.is_(None), PhaseRecord.closes_at > now),
        )
        .order_by(PhaseRecord.opens_at, PhaseRecord.id)
    ).all()


def _is_own(user_id: int, permissions: Permissions) -> ColumnElement[bool]:
    own = or_(SubmissionRecord.user_id == user_id, SubmissionRecord.team_id.in_(team_ids_of(user_id)))
    return own if Permission.SEE_HIDDEN in permissions else and_(own, PhaseRecord.hidden.is_(False))


def _listed(
    submission: SubmissionRecord, made_by: str | None, is_open: Sequence[PhaseRecord], permissions: Permissions
) -> Listed:
    phase = submission.phase
    another = None if submission.is_baseline else _choose(phase, is_open)
    sees = sight(phase, submission, is_owner=True, sees_all=Permission.SEE_SUBMISSIONS in permissions)
    return Listed(
        submission_id=submission.id,
        name=submission.name,
        made_by=made_by,
        competition_title=phase.competition.title,
        competition_slug=phase.competition.slug,
        phase_title=phase.title,
        phase_slug=phase.slug,
        state=submission.state,
        reason=submission.reason,
        score=seen_score(submission, sees),
        sees=sees,
        parent_id=submission.parent_id,
        created_at=submission.created_at,
        resubmit_to=None if another is None else another.slug,
    )
