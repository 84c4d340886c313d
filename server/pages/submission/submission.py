"""A submission's page, the fragment that it polls, and cancelling.

`server.pages.submission.result` renders the result part, `server.pages.submission.code` shows the code.
"""

from dataclasses import dataclass

from flask import Blueprint, Response, abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from server.auth.access import OwnerOr, Who, allow, is_owner, is_owner_or_may, the_submission
from server.auth.login import current_account, may
from server.config import services
from server.http.headers import conditional_on
from server.polls import interval_of, look_for
from server.presentation import watch_words
from submissions.evaluation.outcomes import cancel
from submissions.evaluation.submission_progress import Progress, progress
from submissions.evaluation.waiting import Estimate
from submissions.intake.listing import phase_for_another
from submissions.intake.own_code import CodeUnavailable, Excerpt, excerpt, stored_files
from submissions.storage.records import PhaseRecord, SubmissionRecord, utc_now
from submissions.storage.roles import Permission
from worker.sandbox.layers.layer_table import TABLE

pages = Blueprint("submissions", __name__)
pages.add_app_template_filter(watch_words.elapsed, "elapsed")
pages.add_app_template_filter(watch_words.forecast_sentence, "forecast_sentence")
_SUBMISSION = "/submissions/<submission:submission_id>"


@dataclass(frozen=True)
class Watched:
    """What the status part shows beside the progress itself. layers: those of the sandbox, as the table names them."""

    forecast: Estimate | None
    layers: tuple[tuple[str, str, bool], ...]
    excerpt: Excerpt | None


@pages.get(_SUBMISSION)
@allow(Who.VISITOR)
def show(**_named: object) -> str:
    submission = the_submission()
    now, watched = _watch(submission)
    return render_template(
        "submission.html",
        phase=submission.phase,
        progress=now,
        watched=watched,
        began=watch_words.began(now),
        poll=interval_of(now.created_at, is_in_smoke=now.is_in_smoke),
        now=utc_now(),
        may_change=is_owner_or_may(submission, Permission.MODERATE),
        sees_detail=is_owner_or_may(submission, Permission.SEE_SUBMISSIONS),
        resubmit_to=_resubmit_to(submission) if is_owner(submission) else None,
    )


@pages.get(f"{_SUBMISSION}/status")
@allow(Who.VISITOR)
def status(submission_id: int) -> Response:
    """The status part alone. Once the submission has ended, the response makes htmx reload the whole page.

    Most polls end before they get here (`server.polls`).
    """
    poll = look_for(services().db, current_account(), submission_id)
    if poll is None:
        abort(404)
    response = conditional_on(poll.etag, lambda: _status_part(poll.interval))
    if poll.seen.state.is_final and response.status_code == 200 and "HX-Request" in request.headers:
        response.headers["HX-Refresh"] = "true"
    return response


@pages.post(f"{_SUBMISSION}/cancel")
@allow(OwnerOr(Permission.MODERATE))
def cancel_submission(submission_id: int) -> ResponseReturnValue:
    if cancel(services().db, submission_id):
        flash("Cancelled.")
    else:
        flash("It had already ended, so it cannot be cancelled.")
    return redirect(url_for("submissions.show", submission_id=submission_id))


def _status_part(poll: str) -> str:
    submission = the_submission()
    now, watched = _watch(submission)
    return render_template(
        "_status.html",
        phase=submission.phase,
        progress=now,
        watched=watched,
        began=watch_words.began(now),
        poll=poll,
        now=utc_now(),
    )


def _watch(submission: SubmissionRecord) -> tuple[Progress, Watched]:
    with services().db.read() as session:
        sees_all = may(Permission.SEE_SUBMISSIONS)
        now = progress(session, submission.id, is_owner=is_owner(submission), sees_all=sees_all)
    ahead = None if now.state.is_final else services().forecasts.of(submission.id)
    layers = tuple((layer.name, layer.stops, now.layers[layer.name]) for layer in TABLE if layer.name in now.layers)
    return now, Watched(ahead, layers, _excerpt(submission, now))


def _excerpt(submission: SubmissionRecord, now: Progress) -> Excerpt | None:
    """The author's own lines around the one that failed, for those who may see how it failed."""
    if now.failure is None:
        return None
    try:
        files = stored_files(services().store, submission.filename, submission.bundle_sha256, services().bundle_limits)
    except CodeUnavailable as error:
        current_app.logger.warning("submission %d: %s", submission.id, error)
        return None
    return excerpt(files, now.failure.detail)


def _resubmit_to(submission: SubmissionRecord) -> PhaseRecord | None:
    """The phase to send it to once more: its own while it is open, else another open one of the competition."""
    if submission.is_baseline:
        return None
    with services().db.read() as session:
        return phase_for_another(session, submission.phase, utc_now())
