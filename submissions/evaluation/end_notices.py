"""Notifications and mails about the end of a submission. Called by `submissions.evaluation.outcomes`."""

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from submissions.messages.outbox import SITE, write_mail
from submissions.results.disclosure import Disclosure, Reader, disclosure, told_score
from submissions.storage.records import (
    CompetitionRecord,
    NotificationRecord,
    PhaseRecord,
    SubmissionRecord,
    TeamMemberRecord,
    UserRecord,
    utc_now,
)
from submissions.storage.states import SENTENCES, State


def tell_end(session: Session, submission_id: int) -> None:
    """Notify the author and their team that the submission is scored, has failed or is broken.

    Later attempts cause notifications on the pages only, no mails: when the zoos of a phase change, all its submissions
    run again.
    """
    session.flush()
    submission = session.get_one(SubmissionRecord, submission_id, populate_existing=True)  # the end was a bulk update
    if submission.is_baseline:
        return
    phase = session.get_one(PhaseRecord, submission.phase_id)
    competition = session.get_one(CompetitionRecord, phase.competition_id)
    told = disclosure(phase, submission, Reader(is_owner=True))
    what, more = _sentences(submission, told)
    at = told.moment(submission.finished_at or utc_now())  # no more exact than the end is told
    again = " again" if submission.attempt > 1 else ""
    text = f"“{submission.name}” {what}{again} in {phase.title} of {competition.title}.{more}"
    for person in _people(session, submission):
        session.add(NotificationRecord(user_id=person.id, text=text, submission_id=submission_id, at=at))
        if submission.attempt == 1 and person.wants_mail and person.email and person.email_verified_at is not None:
            write_mail(session, person.email, f"“{submission.name}” {what}", _mail(person, text, submission_id))


def _sentences(submission: SubmissionRecord, told: Disclosure) -> tuple[str, str]:
    """Return the rest of the sentence "it …", and a further sentence."""
    if submission.state is State.SCORED:
        score = told_score(submission, told)
        return ("was scored" if score is None else f"was scored {score:.{told.digits}f}"), ""
    if submission.state is State.FAILED:
        return "failed", f" {SENTENCES[submission.reason]}" if submission.reason else ""
    return "could not be evaluated", " The fault is ours, not the measure's, and it spends no quota."


def _people(session: Session, submission: SubmissionRecord) -> list[UserRecord]:
    team = select(TeamMemberRecord.user_id).where(TeamMemberRecord.team_id == submission.team_id)
    query = select(UserRecord).where(
        or_(UserRecord.id == submission.user_id, UserRecord.id.in_(team)), UserRecord.deleted_at.is_(None)
    )
    return list(session.scalars(query.order_by(UserRecord.id)))


def _mail(person: UserRecord, text: str, submission_id: int) -> str:
    return (
        f"Hello {person.name},\n\n{text}\n\n{SITE}/submissions/{submission_id}\n\n"
        f"You can stop these mails on the page of your account: {SITE}/account\n"
    )
