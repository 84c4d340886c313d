"""What the reader of this request may see of a submission's result. Called by pages and downloads that show scores."""

from server.auth.access import is_owner
from server.auth.login import may
from server.config import services
from submissions.results.submission_result import Result, result
from submissions.results.visibility import Sight, sight
from submissions.storage.records import SubmissionRecord
from submissions.storage.roles import Permission


def sight_of(submission: SubmissionRecord) -> Sight:
    """What the reader may see of the submission's scores. Its phase is loaded."""
    sees_all = may(Permission.SEE_SUBMISSIONS)
    return sight(submission.phase, submission, is_owner=is_owner(submission), sees_all=sees_all)


def seen_result(submission: SubmissionRecord) -> Result | None:
    """The submission's result as far as the reader may see it; None while it has none."""
    with services().db.read() as session:
        sees_secrets = may(Permission.MANAGE_ZOOS)
        return result(session, submission.id, sight_of(submission), sees_secrets=sees_secrets)
