"""Actions of organizers on single submissions: hide, disqualify, restore, run again.

Hiding and disqualifying are one transaction each, together with the audit entry and the updated standings; a re-run is
recorded once it has begun. Called by pages and the API.
"""

from sqlalchemy.orm import Session

from submissions.evaluation import outcomes
from submissions.leaderboard import standings
from submissions.storage.audit import record_act
from submissions.storage.database import Database
from submissions.storage.records import SubmissionRecord

REASON_LENGTH = 1000


def hide(db: Database, submission_id: int, is_hidden: bool, *, user_id: int | None, reason: str = "") -> bool:
    """Hide a submission from everybody but its owners and organizers, or show it again.

    Parameters
    ----------
    user_id : int or None
        The organizer; None for the command line.
    reason : str, optional
        For the record.

    Returns
    -------
    bool
        False if nothing changed.
    """
    return _mark(db, submission_id, "is_hidden", is_hidden, "hid" if is_hidden else "showed", user_id, reason)


def disqualify(
    db: Database, submission_id: int, is_disqualified: bool, *, user_id: int | None, reason: str = ""
) -> bool:
    """Exclude a submission from the leaderboard, or include it again.

    Parameters
    ----------
    user_id : int or None
        The organizer; None for the command line.
    reason : str, optional
        For the record.

    Returns
    -------
    bool
        False if nothing changed.
    """
    act = "disqualified" if is_disqualified else "requalified"
    return _mark(db, submission_id, "is_disqualified", is_disqualified, act, user_id, reason)


def run_again(db: Database, submission_id: int, *, user_id: int | None, reason: str = "") -> bool:
    """Evaluate an ended submission again, as a new attempt.

    Parameters
    ----------
    user_id : int or None
        The organizer; None for the command line.
    reason : str, optional
        For the record.

    Returns
    -------
    bool
        False if the submission has not ended, or was cancelled.
    """
    if not outcomes.rerun(db, submission_id):
        return False
    with db.write() as session:
        submission = session.get_one(SubmissionRecord, submission_id)
        _put_on_record(session, submission, "ran again", user_id, reason)
    return True


def _mark(
    db: Database, submission_id: int, mark: str, is_set: bool, act: str, user_id: int | None, reason: str
) -> bool:
    """Set or remove a mark of a submission. Returns False if nothing changed."""
    with db.write() as session:
        submission = session.get_one(SubmissionRecord, submission_id, with_for_update=True)
        if getattr(submission, mark) == is_set:
            return False
        setattr(submission, mark, is_set)
        _put_on_record(session, submission, act, user_id, reason)
        standings.update(session, submission)
        return True


def _put_on_record(session: Session, submission: SubmissionRecord, act: str, user_id: int | None, reason: str) -> None:
    detail = f"submission {submission.id}" + (f": {reason[:REASON_LENGTH]}" if reason else "")
    record_act(session, act, user_id=user_id, phase_id=submission.phase_id, detail=detail)
