"""A person's list of submissions, including their teams', filtered by phase, in pages.

Called by the page "My submissions" and by the API.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Subquery, func, or_, select, union
from sqlalchemy.orm import Session, selectinload

from submissions.leaderboard.entrants import team_ids_of
from submissions.results.disclosure import Reader, Sight, disclosure, told_score
from submissions.storage.records import CompetitionRecord, PhaseRecord, SubmissionRecord, UserRecord, copied, utc_now
from submissions.storage.roles import NOTHING, Permission, Permissions
from submissions.storage.states import Reason, State

PER_PAGE = 50


@dataclass(frozen=True)
class Listed:
    """One entry of the list.

    Attributes
    ----------
    made_by : str or None
        The team member who submitted it; None if the reader did.
    score : float or None
        As its owners may see it; `sees` says how much that is.
    parent_id : int or None
        The submission that it resubmits, if any.
    resubmit_to : str or None
        Slug of the phase to which it can be resubmitted, if any.
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
    """A page of the list, the newest first. total: entries on all pages; page counts from 1."""

    items: tuple[Listed, ...]
    total: int
    page: int
    per_page: int

    @property
    def pages(self) -> int:
        """The number of pages, at least 1."""
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
    """Return the submissions of a person and of their teams, without those in hidden phases.

    Parameters
    ----------
    permissions : frozenset of Permission, optional
        the permissions of the person, who may see hidden phases or every score.
    phase_id, team_id : int or None, optional
        Restrict the list to this phase or team.
    page : int, optional
        Counts from 1.
    """
    wanted = [SubmissionRecord.team_id == team_id] if team_id is not None else []
    if phase_id is not None:
        wanted.append(SubmissionRecord.phase_id + 0 == phase_id)  # not by the index of phases, which may be all rows
    own = _own(user_id, permissions, *wanted)
    total = session.scalar(select(func.count()).select_from(own))
    rows = session.execute(
        select(SubmissionRecord, UserRecord.name)
        .join(own, own.c.id == SubmissionRecord.id)
        .join(UserRecord, UserRecord.id == SubmissionRecord.user_id)
        .options(selectinload(SubmissionRecord.phase).joinedload(PhaseRecord.competition))
        .order_by(own.c.id.desc())
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
    """Return the phases to which `own_submissions` can be restricted, the latest first."""
    own = _own(user_id, permissions)
    rows = session.execute(
        select(PhaseRecord.id, PhaseRecord.title, CompetitionRecord.title, func.count())
        .select_from(own)
        .join(PhaseRecord, PhaseRecord.id == own.c.phase_id)
        .join(CompetitionRecord, CompetitionRecord.id == PhaseRecord.competition_id)
        .group_by(PhaseRecord.id, CompetitionRecord.id)
        .order_by(PhaseRecord.opens_at.desc(), PhaseRecord.id.desc())
    )
    return [OwnPhase(phase_id, title, competition, count) for phase_id, title, competition, count in rows]


def phase_for_another(session: Session, phase: PhaseRecord, now: datetime) -> PhaseRecord | None:
    """Return the phase to which a submission of `phase` can be resubmitted: itself if open, else another, else None."""
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


def _own(user_id: int, permissions: Permissions, *wanted: ColumnElement[bool]) -> Subquery:
    """Ids and phases of a person's submissions and their teams', each part found by its index; an OR would read all."""
    parts = (SubmissionRecord.user_id == user_id, SubmissionRecord.team_id.in_(team_ids_of(user_id)))
    own = union(*(select(SubmissionRecord.id, SubmissionRecord.phase_id).where(part, *wanted) for part in parts))
    found = own.subquery()
    if Permission.SEE_HIDDEN in permissions:
        return found
    visible = select(found).join(PhaseRecord, PhaseRecord.id == found.c.phase_id)
    return visible.where(PhaseRecord.hidden.is_(False)).subquery()


def _listed(
    submission: SubmissionRecord, made_by: str | None, is_open: Sequence[PhaseRecord], permissions: Permissions
) -> Listed:
    phase = submission.phase
    another = None if submission.is_baseline else _choose(phase, is_open)
    told = disclosure(phase, submission, Reader(is_owner=True, permissions=permissions))
    return copied(
        Listed,
        submission,
        submission_id=submission.id,
        made_by=made_by,
        competition_title=phase.competition.title,
        competition_slug=phase.competition.slug,
        phase_title=phase.title,
        phase_slug=phase.slug,
        score=told_score(submission, told),
        sees=told.sight,
        resubmit_to=None if another is None else another.slug,
    )
