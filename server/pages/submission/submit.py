"""The submit form: a file or code, and its description. Errors are shown on the form, which keeps everything typed.

The same check runs while somebody types (`check`); it stores nothing.
"""

from dataclasses import dataclass

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from server.auth.access import Who, allow, the_phase
from server.auth.login import the_account
from server.auth.parameters import id_in
from server.config import services
from server.forms.submit_form import (
    Draft,
    Upload,
    draft_of,
    draft_of_shipped,
    posted_draft,
    posted_upload,
    read_upload,
    submit_here,
    with_sent_before,
)
from server.http.idempotency import once
from submissions.baselines import Baseline
from submissions.baselines.descriptions import find_baseline
from submissions.evaluation.smoke_run import smoke_zoo
from submissions.intake import details
from submissions.intake.bundle import MAX_SOURCE_BYTES, Bundle, BundleError
from submissions.intake.details import DetailsError, details_of
from submissions.intake.own_code import as_text
from submissions.intake.quota import quota_of, refusal
from submissions.intake.submit import SentBefore, SubmissionRefused
from submissions.intake.upload_reader import ReadingFailed
from submissions.storage.site_records import utc_now
from submissions.storage.states import Reason
from worker.hints import send_hint

SHOWN_LENGTH = 200  # characters of the line at fault
ADVICE = {
    Reason.IMPORT_ERROR: "Python cannot import it. Correct this line, or the one before it.",
    Reason.MISSING_FUNCTION: "The server calls this function once for each network.",
}

pages = Blueprint("submit", __name__)
_FORM = "/competitions/<competition:competition_slug>/<phase:phase_slug>/submit"


@dataclass(frozen=True)
class Fault:
    """An error in a measure: a sentence, the file, line and text as far as known, and advice."""

    sentence: str
    path: str | None
    line: int | None
    text: str | None
    advice: str | None


@pages.get(_FORM)
@allow(Who.PARTICIPANT)
def form(**_named: object) -> ResponseReturnValue:
    old = id_in(request.args.get("from", ""))
    if wanted := request.args.get("measure"):
        shipped = find_baseline(wanted) or abort(404)
        return form_page(draft_of_shipped(shipped), shipped=shipped)
    return form_page(Draft() if old is None else draft_of(old))


@pages.post(_FORM)
@allow(Who.PARTICIPANT)
@once(can_resume=True)
def upload(**_named: object) -> ResponseReturnValue:
    draft, submission_id = posted_draft(), None
    messages: dict[str, str] = {}
    try:
        said = details_of(draft.name, draft.description, draft.link, draft.alias)
    except DetailsError as error:
        messages |= error.messages
    try:
        sent, draft = posted_upload(draft)
        bundle = _bundle(sent)
        messages |= _track_fault(draft, bundle)
        if not messages:
            parent_id, is_confirmed = draft.parent.id if draft.parent else None, draft.sent_before is not None
            submission_id = submit_here(said, bundle, parent_id, is_confirmed=is_confirmed)
    except BundleError as error:
        messages["file"] = str(error)
    except ReadingFailed as error:
        return form_page(draft, messages | {"form": str(error)}), 503
    except SentBefore as error:
        return form_page(with_sent_before(draft, error.submission_id), {"sent_before": str(error)}), 409
    except SubmissionRefused as error:
        messages["form"] = str(error)
    if submission_id is None:
        return form_page(draft, messages), 422
    send_hint(services().settings, submission_id)
    flash("Received. This page follows your measure.")
    return redirect(url_for("submissions.show", submission_id=submission_id))


@pages.post(f"{_FORM}/check")
@allow(Who.PARTICIPANT)
def check(**_named: object) -> str:
    """What the form would say of this measure: a fragment, for the page to show while somebody types."""
    draft, sent = posted_draft(), None
    try:
        sent, draft = posted_upload(draft)
        bundle = _bundle(sent)
    except BundleError as error:
        return render_template("submission/_check.html", fault=_fault(error, sent), bundle=None)
    except ReadingFailed:
        abort(503)
    if wrong := _track_fault(draft, bundle):
        fault = Fault(wrong["track"], None, None, None, None)
        return render_template("submission/_check.html", fault=fault, bundle=None)
    return render_template("submission/_check.html", fault=None, bundle=bundle)


def form_page(draft: Draft, messages: dict[str, str] | None = None, *, shipped: Baseline | None = None) -> str:
    """Return the form with the typed values and errors; also the response to an upload that is too large to read.

    shipped: the measure of Gengap's that it starts from.
    """
    phase, account = the_phase(), the_account()
    now = utc_now()
    with services().db.read() as session:
        needed = services().settings.verified_mail_needed
        why_not = refusal(session, phase, account.id, now, verified_mail_needed=needed)
        quota = quota_of(session, phase, account.id, now)
        tried_on = smoke_zoo(session, phase)
    return render_template(
        "submission/submit.html",
        phase=phase,
        draft=draft,
        shipped=shipped,
        messages=messages or {},
        why_not=why_not,
        quota=quota,
        tried_on=tried_on,
        limits=services().bundle_limits,
        lengths=details,
        source_bytes=MAX_SOURCE_BYTES,
        draft_key=f"{phase.competition.slug}/{phase.slug}",  # drafts in a browser are kept under it
    )


def _bundle(sent: Upload | None) -> Bundle:
    if sent is None:
        raise BundleError("Choose a .py or a .zip file, or write the measure in the editor.")
    return read_upload(sent)


def _track_fault(draft: Draft, bundle: Bundle) -> dict[str, str]:
    """Return the error if the form names another track than the code."""
    if draft.track in ("", bundle.track):
        return {}
    advice = f'write TRACK = "{draft.track}" at the top of the code, or choose {bundle.track} here'
    return {"track": f"The code belongs to the {bundle.track} track, but the form says {draft.track}: {advice}."}


def _fault(error: BundleError, sent: Upload | None) -> Fault:
    text = None
    if sent is not None and error.line is not None and sent.filename.lower().endswith(".py"):
        lines = (as_text(sent.content) or "").split("\n")
        text = lines[error.line - 1][:SHOWN_LENGTH] if 1 <= error.line <= len(lines) else None
    advice = None if error.reason is None else ADVICE.get(error.reason)
    return Fault(str(error), error.path, error.line, text, advice)
