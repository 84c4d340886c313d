"""A submission's page, the fragment that it polls, and cancelling.

`server.pages.submission.result` renders the result part, `server.pages.submission.code` shows the code.
"""

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response, current_app, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from server.auth.access import OwnerOr, Who, allow, is_owner, is_owner_or_may, the_submission
from server.auth.result_access import reader_of, told_of
from server.config import services
from server.forms.submit_form import uploaded_files
from server.http.headers import conditional
from server.presentation import eta_sentences
from submissions.evaluation.eta import Estimate, estimate
from submissions.evaluation.outcomes import cancel
from submissions.evaluation.page_state import page_state
from submissions.evaluation.submission_progress import Progress, progress
from submissions.intake.listing import phase_for_another
from submissions.intake.own_code import CodeUnavailable, Excerpt, excerpt
from submissions.storage.roles import Permission
from submissions.storage.site_records import PhaseRecord, utc_now
from submissions.storage.submission_head import SubmissionHead
from worker.sandbox.layers.layer_table import TABLE

SMOKE_POLL, POLL = "500ms", "2s"  # how often a page asks for its status part: a smoke run takes about a second
SMOKE_PATIENCE_S = 30.0
BEAT_S = 10  # how long an estimate of the remaining time stays on the page, where nothing else changes

pages = Blueprint("submissions", __name__)
pages.add_app_template_filter(eta_sentences.elapsed, "elapsed")
pages.add_app_template_filter(eta_sentences.eta_sentence, "eta_sentence")
_SUBMISSION = "/submissions/<submission:submission_id>"


@dataclass(frozen=True)
class StatusPart:
    """What the status part of the page shows. layers: those of the sandbox, as the table names them.

    poll: how long the page waits before it asks again, as htmx wants it.
    """

    phase: PhaseRecord
    progress: Progress
    eta: Estimate | None
    layers: tuple[tuple[str, str, bool], ...]
    excerpt: Excerpt | None
    began: datetime
    poll: str
    now: datetime


@pages.get(_SUBMISSION)
@allow(Who.VISITOR)
def show(**_named: object) -> str:
    submission = the_submission()
    return render_template(
        "submission/submission.html",
        **vars(_status_part(submission)),
        may_change=is_owner_or_may(submission, Permission.MODERATE),
        sees_detail=is_owner_or_may(submission, Permission.SEE_SUBMISSIONS),
        resubmit_to=_resubmit_to(submission) if is_owner(submission) else None,
    )


@pages.get(f"{_SUBMISSION}/status")
@allow(Who.VISITOR)
def status(**_named: object) -> Response:
    """The status part alone. Once the submission has ended, the response makes htmx reload the whole page."""
    submission = the_submission()
    with services().db.read() as session:
        stages = page_state(session, submission, told_of(submission))
    beat = None if submission.state.is_final else int(utc_now().timestamp()) // BEAT_S

    def render() -> Response:
        part = _status_part(submission)
        response = make_response(render_template("submission/_status.html", **vars(part)))
        if part.progress.state.is_final and "HX-Request" in request.headers:
            response.headers["HX-Refresh"] = "true"
        return response

    return conditional(render, "status", submission.id, submission.attempt, submission.state, stages, beat)


@pages.post(f"{_SUBMISSION}/cancel")
@allow(OwnerOr(Permission.MODERATE))
def cancel_submission(submission_id: int) -> ResponseReturnValue:
    if cancel(services().db, submission_id):
        flash("Cancelled.")
    else:
        flash("It had already ended, so it cannot be cancelled.")
    return redirect(url_for("submissions.show", submission_id=submission_id))


def _status_part(submission: SubmissionHead) -> StatusPart:
    now = utc_now()
    with services().db.read() as session:
        seen = progress(session, submission.id, reader_of(submission))
        eta = estimate(session, submission, sweep_s=services().settings.sweep_s)
    waited_s = (now - seen.created_at).total_seconds()
    layers = (layer for layer in TABLE if layer.name in seen.layers)
    return StatusPart(
        phase=submission.phase,
        progress=seen,
        eta=eta,
        layers=tuple((layer.name, layer.stops, seen.layers[layer.name]) for layer in layers),
        excerpt=_excerpt(submission, seen),
        began=eta_sentences.began(seen),
        poll=SMOKE_POLL if seen.is_in_smoke and waited_s < SMOKE_PATIENCE_S else POLL,
        now=now,
    )


def _excerpt(submission: SubmissionHead, now: Progress) -> Excerpt | None:
    """The author's own lines around the one that failed, for those who may see how it failed."""
    if now.failure is None:
        return None
    try:
        files = uploaded_files(submission)
    except CodeUnavailable as error:
        current_app.logger.warning("submission %d: %s", submission.id, error)
        return None
    return excerpt(files, now.failure.detail)


def _resubmit_to(submission: SubmissionHead) -> PhaseRecord | None:
    """The phase to send it to once more: its own while it is open, else another open one of the competition."""
    if submission.is_baseline:
        return None
    with services().db.read() as session:
        return phase_for_another(session, submission.phase, utc_now())
