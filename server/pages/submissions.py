"""A submission's page, the fragment that its page polls, its charts, cancelling it, and a user's own list."""

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    flash,
    jsonify,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue

from model_zoo import ZooError
from server.access import Who, allow, is_owner_or_organizer, the_submission
from server.auth import current_account
from server.charts import value_against_target
from server.config import services
from server.headers import conditional
from submissions.lifecycle import cancel
from submissions.points import ZooPoints, zoo_points
from submissions.progress import Progress, progress, submissions_of
from submissions.records import utc_now

SMOKE_POLL, POLL = "500ms", "2s"  # how often a page looks: a smoke run takes about a second
SMOKE_PATIENCE_S = 30.0
_LARGEST_ID = 2**31 - 1  # a larger number is no id in any database we use

pages = Blueprint("submissions", __name__)
_SUBMISSION = f"/submissions/<int(max={_LARGEST_ID}):submission_id>"


@pages.get(_SUBMISSION)
@allow(Who.VISITOR)
def show(**_named: object) -> str:
    submission = the_submission()
    now = _progress()
    return render_template(
        "submission.html",
        phase=submission.phase,
        progress=now,
        poll=_poll(now),
        may_change=is_owner_or_organizer(current_account(), submission),
        tables=[points for zoo in now.zoos if zoo.truth_public and (points := _points(zoo.name))],
    )


@pages.get(f"{_SUBMISSION}/status")
@allow(Who.VISITOR)
def status(**_named: object) -> Response:
    """The status part alone. Once the submission has ended, htmx is told to load the whole page anew."""
    now = _progress()
    phase, poll = the_submission().phase, _poll(now)
    response = conditional(lambda: render_template("_status.html", progress=now, phase=phase, poll=poll), now, poll)
    if now.state.is_final and response.status_code == 200 and "HX-Request" in request.headers:
        response.headers["HX-Refresh"] = "true"
    return response


@pages.get(f"{_SUBMISSION}/zoos/<slug:zoo_name>/chart.json")
@allow(Who.VISITOR)
def chart(zoo_name: str, **_named: object) -> Response:
    points = _points(zoo_name)
    if points is None:
        abort(404)
    return jsonify(value_against_target(points))


@pages.post(f"{_SUBMISSION}/cancel")
@allow(Who.OWNER)
def cancel_submission(submission_id: int) -> ResponseReturnValue:
    if cancel(services().db, submission_id):
        flash("Cancelled.")
    else:
        flash("It had ended already, so there was nothing to cancel.")
    return redirect(url_for("submissions.show", submission_id=submission_id))


@pages.get("/my/submissions")
@allow(Who.PARTICIPANT)
def mine() -> str:
    account = current_account()
    if account is None:
        abort(403)
    with services().db.read() as session:
        listed = submissions_of(session, account.id)
    return render_template("my_submissions.html", listed=listed)


def _progress() -> Progress:
    submission = the_submission()
    with services().db.read() as session:
        return progress(session, submission.id, with_detail=is_owner_or_organizer(current_account(), submission))


def _poll(now: Progress) -> str:
    waited_s = (utc_now() - now.created_at).total_seconds()
    return SMOKE_POLL if now.is_in_smoke and waited_s < SMOKE_PATIENCE_S else POLL


def _points(zoo_name: str) -> ZooPoints | None:
    """Values beside gaps; None also where the zoo cannot be read, which the log tells the organizers."""
    try:
        with services().db.read() as session:
            return zoo_points(session, services().zoos, the_submission().id, zoo_name)
    except ZooError:
        current_app.logger.exception("The zoo %s cannot be charted.", zoo_name)
        return None
