"""The quota of a team, or of a person alone, in a phase; and whether the phase accepts submissions now.

A phase has a daily quota, and may have one for its whole life, which never resets. Both count the same submissions.
A submission spends quota when its first scored run begins. One that fails in its smoke run, or is cancelled before,
does not count, but the number of such uploads has a generous limit of its own. Until it begins, a submission reserves a
place in the quota.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import Session

from submissions.leaderboard.entrants import entrant_of
from submissions.storage.records import PhaseRecord, SubmissionRecord, TeamPersonRecord, UserRecord
from submissions.storage.roles import PERMISSIONS, Permission
from submissions.storage.states import OPEN, State

WINDOW = timedelta(days=1)
LEAST_SMOKE_FAILURES = 50
SMOKE_FAILURES_PER_SUBMISSION = 10


@dataclass(frozen=True)
class Quota:
    """The use of the quota in the last 24 hours, and in the whole phase.

    The person's own submissions count whichever team they belong to, so that leaving a team gives nobody a new quota.
    Broken submissions and baselines do not count.

    Attributes
    ----------
    spent : int
        Submissions that count, of `daily`.
    held : int
        Places reserved by submissions that have not begun.
    unspent : int
        Uploads that ended before they began, of at most `unspent_limit`.
    is_teams : bool
        Whether the quota is a team's.
    total : int or None
        The quota of the whole phase; None if there is none.
    used : int
        Submissions in the whole phase that count or reserve a place.
    """

    daily: int
    spent: int
    held: int
    unspent: int
    unspent_limit: int
    is_teams: bool = False
    total: int | None = None
    used: int = 0

    @property
    def remaining(self) -> int:
        """The number of submissions that are left now."""
        today = max(0, self.daily - self.spent - self.held)
        return today if self.remaining_in_all is None else min(today, self.remaining_in_all)

    @property
    def remaining_in_all(self) -> int | None:
        """The number of submissions that are left in the whole phase; None if it has no such quota."""
        return None if self.total is None else max(0, self.total - self.used)


def quota_of(session: Session, phase: PhaseRecord, user_id: int, now: datetime) -> Quota:
    """Return the quota of the user's team, or of the user alone, in a phase."""
    entrant, team_id = entrant_of(session, phase.competition_id, user_id)
    spends = SubmissionRecord.spends_quota
    is_open = SubmissionRecord.state.in_(OPEN)
    is_ours = or_(SubmissionRecord.entrant == entrant, SubmissionRecord.user_id == user_id)
    is_recent = and_(is_ours, SubmissionRecord.created_at > now - WINDOW)
    were_in = select(TeamPersonRecord.team_id).where(TeamPersonRecord.user_id == user_id)  # also teams that they left
    spent, held, unspent, used = session.execute(
        select(
            func.count(case((and_(is_recent, spends), 1))),
            func.count(case((and_(is_recent, ~spends, is_open), 1))),
            func.count(case((and_(is_recent, ~spends, ~is_open), 1))),
            func.count(case((or_(spends, is_open), 1))),
        ).where(
            SubmissionRecord.phase_id == phase.id,
            is_recent if phase.total_quota is None else or_(is_ours, SubmissionRecord.team_id.in_(were_in)),
            SubmissionRecord.state != State.BROKEN,
            SubmissionRecord.is_baseline.is_(False),
        )
    ).one()
    limit = phase.daily_smoke_failures
    if limit is None:
        limit = max(LEAST_SMOKE_FAILURES, SMOKE_FAILURES_PER_SUBMISSION * phase.daily_quota)
    return Quota(
        daily=phase.daily_quota,
        spent=spent,
        held=held,
        unspent=unspent,
        unspent_limit=limit,
        is_teams=team_id is not None,
        total=phase.total_quota,
        used=used,
    )


def refusal(
    session: Session, phase: PhaseRecord, user_id: int, now: datetime, *, verified_mail_needed: bool = False
) -> str | None:
    """Return why this user cannot submit to this phase now, as a sentence; None if they can.

    Parameters
    ----------
    verified_mail_needed : bool, optional
        whether a verified address is needed; not by those who may `SUBMIT_UNVERIFIED`.
    """
    if verified_mail_needed and not _is_reachable(session.get_one(UserRecord, user_id)):
        return "Verify your email address first: the page of your account sends you the link again."
    if now < phase.opens_at:
        return f"This phase opens on {phase.opens_at:%d %B %Y at %H:%M} UTC."
    if phase.closes_at is not None and now >= phase.closes_at:
        return f"This phase closed on {phase.closes_at:%d %B %Y at %H:%M} UTC."
    quota = quota_of(session, phase, user_id, now)
    have, your = ("Your team has", "Your team's") if quota.is_teams else ("You have", "Your")
    if quota.remaining_in_all == 0:
        return (
            f"{your} {quota.total} submissions in this phase are used or reserved. The number is for the whole "
            "phase and never resets."
        )
    if quota.remaining == 0:
        surplus = quota.spent + quota.held - quota.daily
        free = _free_at(session, phase, user_id, now, surplus, are_unspent=False)
        if quota.held == 0:
            return f"{have} used all {quota.daily} submissions of the last 24 hours in this phase. {free}"
        return (
            f"{your} {quota.daily} submissions of the last 24 hours in this phase are used or reserved: "
            f"{quota.spent} used, {quota.held} waiting. Wait for these, or cancel one. {free}"
        )
    if quota.unspent >= quota.unspent_limit:
        surplus = quota.unspent - quota.unspent_limit
        free = _free_at(session, phase, user_id, now, surplus, are_unspent=True)
        return (
            f"{quota.unspent} of {your.lower()} uploads in the last 24 hours failed in their smoke run or were "
            "cancelled before they began, and this phase takes no more. Try the measure on your own machine first: "
            f"gengap evaluate. {free}"
        )
    return None


def _free_at(
    session: Session, phase: PhaseRecord, user_id: int, now: datetime, surplus: int, *, are_unspent: bool
) -> str:
    """Return when the next submission is free: a day after the oldest one whose end brings the number below the limit.

    Parameters
    ----------
    surplus : int
        How many are counted above the limit.
    are_unspent : bool
        Whether it is the limit of uploads that ended before they began.
    """
    entrant, _ = entrant_of(session, phase.competition_id, user_id)
    counts = or_(SubmissionRecord.spends_quota, SubmissionRecord.state.in_(OPEN))
    frees_at = session.scalars(
        select(SubmissionRecord.created_at)
        .where(
            SubmissionRecord.phase_id == phase.id,
            or_(SubmissionRecord.entrant == entrant, SubmissionRecord.user_id == user_id),
            SubmissionRecord.created_at > now - WINDOW,
            SubmissionRecord.state != State.BROKEN,
            SubmissionRecord.is_baseline.is_(False),
            ~counts if are_unspent else counts,
        )
        .order_by(SubmissionRecord.created_at)
        .offset(surplus)
        .limit(1)
    ).first()
    if frees_at is None:  # a limit of 0
        return "Ask the organizers."
    free = frees_at + WINDOW + timedelta(minutes=1)  # the next whole minute
    if phase.closes_at is not None and free >= phase.closes_at:
        return "The phase closes before the next one is free."
    return f"The next one is free on {free:%d %B %Y at %H:%M} UTC."


def _is_reachable(user: UserRecord) -> bool:
    return user.email_verified_at is not None or Permission.SUBMIT_UNVERIFIED in PERMISSIONS[user.role]
