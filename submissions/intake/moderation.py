"""What organizers do to single submissions: take them off boards and pages, put them back, run them again.

Hiding and disqualifying are one transaction each, with the record of the act and the standings that follow; a run that
begins again goes on record once it has begun. Called by pages and the API.
"""

from sqlalchemy.orm import Session

from submissions.evaluation import outcomes
from submissions.leaderboard import standings
from submissions.storage.audit import record_act
from submissions.storage.database import Database
from submissions.storage.records import SubmissionRecord

REASON_LENGTH = 1000


def hide(db: Database, submission_id: int, is_hidden: bool, *, user_id: int | None, reason: str = "") -> bool:
    """Let only its owners and organizers see the submission, or everybody again. False where it is so already."""
    with db.write() as session:
        submission = session.get_one(SubmissionRecord, submission_id, with_for_update=True)
        if submission.is_hidden == is_hidden:
            return False
        submission.is_hidden = is_hidden
        _put_on_record(session, submission, "hid" if is_hidden else "showed", user_id, reason)
        standings.update(session, submission)
        return True


def disqualify(
    db: Database, submission_id: int, is_disqualified: bool, *, user_id: int | None, reason: str = ""
) -> bool:
    """Let the submission count no more, or again. False where it is so already."""
    with db.write() as session:
        submission = session.get_one(SubmissionRecord, submission_id, with_for_update=True)
        if submission.is_disqualified == is_disqualified:
            return False
        submission.is_disqualified = is_disqualified
        _put_on_record(session, submission, "disqualified" if is_disqualified else "requalified", user_id, reason)
        standings.update(session, submission)
        return True


def run_again(db: Database, submission_id: int, *, user_id: int | None, reason: str = "") -> bool:
    """Evaluate a submission that has ended once more, as a new attempt. False where it has not, or was cancelled."""
    if not outcomes.rerun(db, submission_id):
        return False
    with db.write() as session:
        submission = session.get_one(SubmissionRecord, submission_id)
        _put_on_record(session, submission, "ran again", user_id, reason)
    return True


def _put_on_record(session: Session, submission: SubmissionRecord, act: str, user_id: int | None, reason: str) -> None:
    told = f"submission {submission.id}"
    record_act(
        session,
        act,
        user_id=user_id,
        phase_id=submission.phase_id,
        detail=f"{told}: {reason[:REASON_LENGTH]}" if reason else told,
    )
