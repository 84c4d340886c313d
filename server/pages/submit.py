"""The submit form: a file and a name for it. What is wrong with an upload is told on the form."""

import threading

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage

from server.access import Who, allow, the_phase
from server.auth import Account, current_account
from server.config import services
from server.pages.forms import text_field
from submissions.bundle import Bundle, BundleError, read_bundle
from submissions.lifecycle import SubmissionRefused, submit
from submissions.quota import quota_of, refusal
from submissions.records import utc_now
from submissions.smoke import smoke_zoo
from worker.hints import send_hint

NAME_LENGTH = 80

# An upload in hand takes up to 60 MB, unpacked beside packed: eight at once would not fit the web process.
_ONE_AT_A_TIME = threading.Lock()

pages = Blueprint("submit", __name__)


@pages.get("/competitions/<slug:competition_slug>/<slug:phase_slug>/submit")
@allow(Who.PARTICIPANT)
def form(**_named: object) -> ResponseReturnValue:
    return form_page()


@pages.post("/competitions/<slug:competition_slug>/<slug:phase_slug>/submit")
@allow(Who.PARTICIPANT)
def upload(**_named: object) -> ResponseReturnValue:
    name = text_field("name", NAME_LENGTH + 1)
    if not name or len(name) > NAME_LENGTH:
        return form_page(name, {"name": f"Give the submission a name of 1 to {NAME_LENGTH} characters."}), 422
    file = request.files.get("file")
    if file is None or not file.filename:
        return form_page(name, {"file": "Choose a .py or a .zip file."}), 422
    try:
        with _ONE_AT_A_TIME:
            submission_id = submit(
                services().db,
                services().store,
                phase_id=the_phase().id,
                user_id=_person().id,
                name=name,
                bundle=_read(file),
            )
    except BundleError as error:
        return form_page(name, {"file": str(error)}), 422
    except SubmissionRefused as error:
        return form_page(name, {"form": str(error)}), 422
    send_hint(services().settings)
    flash("Received. Your measure waits for a worker; this page follows it.")
    return redirect(url_for("submissions.show", submission_id=submission_id))


def form_page(name: str = "", messages: dict[str, str] | None = None) -> str:
    """The form, with what was typed and what was wrong. Also the answer to an upload too large to read."""
    phase = the_phase()
    now = utc_now()
    with services().db.read() as session:
        why_not = refusal(session, phase, _person().id, now)
        quota = quota_of(session, phase, _person().id, now)
        tried_on = smoke_zoo(session, phase)
    return render_template(
        "submit.html",
        phase=phase,
        name=name,
        messages=messages or {},
        why_not=why_not,
        quota=quota,
        tried_on=tried_on,
        limits=services().bundle_limits,
        name_length=NAME_LENGTH,
    )


def _read(file: FileStorage) -> Bundle:
    limits = services().bundle_limits
    content = file.stream.read(limits.upload_bytes + 1)
    return read_bundle(file.filename or "", content, limits)


def _person() -> Account:
    account = current_account()
    return account if account is not None else abort(403)
