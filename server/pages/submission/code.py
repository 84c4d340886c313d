"""The code of a submission, for its owners and organizers: shown, and the upload as a download."""

import io

from flask import Blueprint, Response, abort, current_app, render_template, send_file

from server.auth.access import OwnerOr, allow, the_submission
from server.config import services
from server.forms.submit_form import uploaded_files
from submissions.intake.bundle_store import StoreError
from submissions.intake.own_code import CodeUnavailable, readable
from submissions.storage.roles import Permission

pages = Blueprint("code", __name__)
_CODE = "/submissions/<submission:submission_id>/code"


@pages.get(_CODE)
@allow(OwnerOr(Permission.SEE_SUBMISSIONS))
def show(**_named: object) -> str:
    submission = the_submission()
    try:
        files = readable(uploaded_files(submission))
        why_not = None
    except CodeUnavailable as error:
        current_app.logger.warning("submission %d: %s", submission.id, error)
        files, why_not = (), "The uploaded code cannot be read; the server's log says why."
    return render_template(
        "submission/code.html", submission=submission, phase=submission.phase, files=files, why_not=why_not
    )


@pages.get(f"{_CODE}/download")
@allow(OwnerOr(Permission.SEE_SUBMISSIONS))
def download(**_named: object) -> Response:
    """The upload, byte for byte."""
    submission = the_submission()
    try:
        content = services().store.get(submission.bundle_sha256)
    except StoreError as error:
        current_app.logger.warning("submission %d: %s", submission.id, error)
        abort(404)
    answer = send_file(
        io.BytesIO(content),
        mimetype="application/octet-stream",
        as_attachment=True,
        download_name=submission.filename,
        etag=False,
    )
    answer.headers["Cache-Control"] = "private, no-store"
    return answer
