"""How many submissions one user may make in a phase, and when the phase takes any at all."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from submissions.records import PhaseRecord, SubmissionRecord
from submissions.states import State


@dataclass(frozen=True)
class Quota:
    """What `user` may still submit: `used` of `daily` in the last 24 hours (broken and baselines are free)."""

    daily: int
    used: int

    @property
    def remaining(self) -> int:
        return max(0, self.daily - self.used)


def quota_of(session: Session, phase: PhaseRecord, user_id: int, now: datetime) -> Quota:
    used = session.scalar(
        select(func.count())
        .select_from(SubmissionRecord)
        .where(
            SubmissionRecord.phase_id == phase.id,
            SubmissionRecord.user_id == user_id,
            SubmissionRecord.created_at > now - timedelta(days=1),
            SubmissionRecord.state != State.BROKEN,
            SubmissionRecord.is_baseline.is_(False),
        )
    )
    return Quota(daily=phase.daily_quota, used=used or 0)


def refusal(session: Session, phase: PhaseRecord, user_id: int, now: datetime) -> str | None:
    """Why this user cannot submit to this phase now, as a sentence; None where nothing stands against it."""
    if now < phase.opens_at:
        return f"This phase opens on {phase.opens_at:%d %B %Y at %H:%M} UTC."
    if phase.closes_at is not None and now >= phase.closes_at:
        return f"This phase closed on {phase.closes_at:%d %B %Y at %H:%M} UTC."
    quota = quota_of(session, phase, user_id, now)
    if quota.remaining == 0:
        return f"You have used all {quota.daily} submissions of the last 24 hours in this phase."
    return None
