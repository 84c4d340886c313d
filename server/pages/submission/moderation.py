"""Actions on a submission: its team chooses it, organizers hide, disqualify or re-run it.

Each is a form on the submission's page, in its part `board/_moderate.html`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Blueprint, abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from server.auth.access import OwnerOr, allow, is_owner_or_may, the_submission
from server.auth.login import the_account
from server.config import services
from server.forms.fields import text_field
from submissions.intake import moderation
from submissions.leaderboard import board_page, standings
from submissions.leaderboard.model import Row
from submissions.storage.database import Database
from submissions.storage.records import CountRule
from submissions.storage.roles import Permission
from submissions.storage.states import State
from worker.hints import send_hint

pages = Blueprint("moderation", __name__)
_SUBMISSION = "/submissions/<submission:submission_id>"
_TOO_LATE = "Nothing was changed: it is in this state already."


@dataclass(frozen=True)
class OnBoard:
    """The relation of a submission to its board. row: its entrant's; None if that is not on the board."""

    submission_id: int
    row: Row | None
    counts: bool
    may_be_chosen: bool
    is_hidden: bool
    is_disqualified: bool
    may_run_again: bool


@pages.app_template_global()
def on_board() -> OnBoard:
    """For the submission that the page is about."""
    submission = the_submission()
    with services().db.read() as session:
        is_owner = is_owner_or_may(submission, Permission.SEE_SUBMISSIONS)
        row = board_page.standing_of(session, submission, is_owner=is_owner)
    phase = submission.phase
    return OnBoard(
        submission_id=submission.id,
        row=row,
        counts=row is not None and row.submission_id == submission.id,
        may_be_chosen=(
            is_owner_or_may(submission, Permission.MODERATE)
            and phase.count_rule is CountRule.CHOSEN
            and not phase.uses_ladder
            and not submission.is_baseline
            and not submission.is_chosen
            and submission.state is State.SCORED
        ),
        is_hidden=submission.is_hidden,
        is_disqualified=submission.is_disqualified,
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
    act = _ACTS.get(request.form.get("act", ""))
    if act is None:
        abort(422)
    reason = text_field("reason", moderation.REASON_LENGTH)
    flash("Done and recorded." if act(services().db, submission_id, the_account().id, reason) else _TOO_LATE)
    return _back(submission_id)


def _hide(is_hidden: bool) -> "Callable[[Database, int, int, str], bool]":
    return lambda db, submission_id, user_id, reason: moderation.hide(
        db, submission_id, is_hidden, user_id=user_id, reason=reason
    )


def _disqualify(is_disqualified: bool) -> "Callable[[Database, int, int, str], bool]":
    return lambda db, submission_id, user_id, reason: moderation.disqualify(
        db, submission_id, is_disqualified, user_id=user_id, reason=reason
    )


def _run_again(db: Database, submission_id: int, user_id: int, reason: str) -> bool:
    has_begun = moderation.run_again(db, submission_id, user_id=user_id, reason=reason)
    if has_begun:
        send_hint(services().settings)
    return has_begun


_ACTS = {
    "hide": _hide(True),
    "show": _hide(False),
    "disqualify": _disqualify(True),
    "requalify": _disqualify(False),
    "run again": _run_again,
}


def _back(submission_id: int) -> ResponseReturnValue:
    return redirect(url_for("submissions.show", submission_id=submission_id))
