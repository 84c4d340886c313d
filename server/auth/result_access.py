"""What the reader of this request may see of a submission's result. Called by pages and downloads that show scores."""

from dataclasses import replace

from server.auth.access import is_owner
from server.auth.login import current_account
from server.config import services
from submissions.results.disclosure import Disclosure, Reader, disclosure
from submissions.results.submission_result import Result, result
from submissions.storage.roles import NOTHING
from submissions.storage.submission_head import SubmissionHead


def reader_of(submission: SubmissionHead) -> Reader:
    """The person who makes this request, as a reader about the submission."""
    return replace(board_reader(), is_owner=is_owner(submission))


def board_reader() -> Reader:
    """The person who makes this request, as a reader of a leaderboard."""
    account = current_account()
    return Reader(permissions=NOTHING if account is None else account.permissions)


def told_of(submission: SubmissionHead) -> Disclosure:
    """What the reader may be told of the submission's results. Its phase is loaded."""
    return disclosure(submission.phase, submission, reader_of(submission))


def seen_result(submission: SubmissionHead) -> Result | None:
    """The submission's result as far as the reader may see it; None while it has none."""
    with services().db.read() as session:
        return result(session, submission.id, reader_of(submission))
