"""Actions on a submission: its team chooses it, organizers hide, disqualify or re-run it.

Each is a form on the submission's page, in its part `board/_moderate.html`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from flask import Blueprint, abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from server.auth.access import OwnerOr, allow, is_owner_or_may, the_submission
from server.auth.login import the_account
from server.auth.result_access import reader_of
from server.config import services
from server.forms.fields import text_field
from submissions.intake import moderation
from submissions.leaderboard import board_page, standings
from submissions.leaderboard.model import Row
from submissions.storage.roles import Permission
from submissions.storage.site_records import CountRule
from submissions.storage.states import State
from submissions.storage.submission_head import SubmissionHead
from worker.hints import send_hint

pages = Blueprint("moderation", __name__)
_SUBMISSION = "/submissions/<submission:submission_id>"
_TOO_LATE = "Nothing was changed: it is in this state already."
_RUN_AGAIN = "run again"
_ACTS: Mapping[str, Callable[..., bool]] = {
    "hide": partial(moderation.hide, is_hidden=True),
    "show": partial(moderation.hide, is_hidden=False),
    "disqualify": partial(moderation.disqualify, is_disqualified=True),
    "requalify": partial(moderation.disqualify, is_disqualified=False),
    _RUN_AGAIN: moderation.run_again,
}


@dataclass(frozen=True)
class OnBoard:
    """The relation of a submission to its board. row: its entrant's; None if that is not on the board."""

    submission: SubmissionHead
    row: Row | None
    may_be_chosen: bool
    may_run_again: bool


@pages.app_template_global()
def on_board() -> OnBoard:
    """For the submission that the page is about."""
    submission = the_submission()
    with services().db.read() as session:
        row = board_page.standing_of(session, submission, reader_of(submission))
    phase = submission.phase
    return OnBoard(
        submission=submission,
        row=row,
        may_be_chosen=(
            is_owner_or_may(submission, Permission.MODERATE)
            and phase.count_rule is CountRule.CHOSEN
            and not phase.uses_ladder
            and not submission.is_baseline
            and not submission.is_chosen
            and submission.state is State.SCORED
        ),
        may_run_again=submission.state in (State.SCORED, State.FAILED, State.BROKEN),
    )


@pages.post(f"{_SUBMISSION}/choose")
@allow(OwnerOr(Permission.MODERATE))
def choose(submission_id: int) -> ResponseReturnValue:
    try:
        standings.choose(services().db, submission_id)
        flash("This submission counts for you now.")
    except standings.ChoiceRefused as refused:
        flash(str(refused))
    return _back(submission_id)


@pages.post(f"{_SUBMISSION}/moderate")
@allow(Permission.MODERATE)
def moderate(submission_id: int) -> ResponseReturnValue:
    name, reason = request.form.get("act", ""), text_field("reason", moderation.REASON_LENGTH)
    if name not in _ACTS:
        abort(422)
    is_done = _ACTS[name](services().db, submission_id, user_id=the_account().id, reason=reason)
    if is_done and name == _RUN_AGAIN:
        send_hint(services().settings, submission_id)
    flash("Done and recorded." if is_done else _TOO_LATE)
    return _back(submission_id)


def _back(submission_id: int) -> ResponseReturnValue:
    return redirect(url_for("submissions.show", submission_id=submission_id))
