"""What the reader of this request may see of a submission's result. Called by pages and downloads that show scores."""

from server.auth.access import is_owner
from server.auth.login import current_account
from server.config import services
from submissions.results.submission_result import Result, result
from submissions.results.visibility import Sight, sight
from submissions.storage.records import SubmissionRecord


def sight_of(submission: SubmissionRecord) -> Sight:
    """What the reader may see of the submission's scores. Its phase is loaded."""
    account = current_account()
    return sight(
        submission.phase,
        submission,
        is_owner=is_owner(account, submission),
        is_organizer=account is not None and account.is_organizer,
    )


def seen_result(submission: SubmissionRecord) -> Result | None:
    """The submission's result as far as the reader may see it; None while it has none."""
    account = current_account()
    sees_secrets = account is not None and account.is_organizer
    with services().db.read() as session:
        return result(session, submission.id, sight_of(submission), sees_secrets=sees_secrets)
