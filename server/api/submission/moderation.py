"""What organizers do to single submissions: hide, disqualify, run again."""

from pydantic import Field

from server.api.fields import Body, Line
from server.api.routes import Routes
from server.api.submission.submissions import Submission, told
from server.auth.login import the_account
from server.config import services
from server.problems import Problem
from submissions.intake.moderation import disqualify, hide, run_again
from submissions.people.tokens import Scope
from submissions.storage.roles import Permission
from worker.hints import send_hint

routes = Routes(110, "moderation", "Moderation", "Actions of organizers on single submissions; each is recorded.")

_SUBMISSION = "/submissions/<submission:submission_id>"


class Why(Body):
    reason: Line = Field("", description="Recorded with the action, for organizers")


@routes.put(f"{_SUBMISSION}/hidden", Permission.MODERATE, Scope.ORGANIZE)
def hide_it(submission_id: int, body: Why) -> Submission:
    """Let only its owners and organizers see a submission"""
    hide(services().db, submission_id, True, user_id=the_account().id, reason=body.reason)
    return told(submission_id)


@routes.delete(f"{_SUBMISSION}/hidden", Permission.MODERATE, Scope.ORGANIZE)
def show_again(submission_id: int) -> Submission:
    """Let everybody see a submission again"""
    hide(services().db, submission_id, False, user_id=the_account().id)
    return told(submission_id)


@routes.put(f"{_SUBMISSION}/disqualified", Permission.MODERATE, Scope.ORGANIZE)
def disqualify_it(submission_id: int, body: Why) -> Submission:
    """Let a submission count no more"""
    disqualify(services().db, submission_id, True, user_id=the_account().id, reason=body.reason)
    return told(submission_id)


@routes.delete(f"{_SUBMISSION}/disqualified", Permission.MODERATE, Scope.ORGANIZE)
def requalify_it(submission_id: int) -> Submission:
    """Let a disqualified submission count again"""
    disqualify(services().db, submission_id, False, user_id=the_account().id)
    return told(submission_id)


@routes.post(f"{_SUBMISSION}/rerun", Permission.MODERATE, Scope.ORGANIZE, conflicts=True)
def rerun(submission_id: int, body: Why) -> Submission:
    """Evaluate a submission that has ended once more, as a new attempt"""
    if not run_again(services().db, submission_id, user_id=the_account().id, reason=body.reason):
        raise Problem(409, "It has not ended yet, or was cancelled: it cannot be run again.")
    send_hint(services().settings, submission_id)
    return told(submission_id)
