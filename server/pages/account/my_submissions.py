"""A person's own list of submissions, their teams' among them: by phase, a page at a time, two of them to compare."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from server.auth.access import Who, allow
from server.auth.login import the_account
from server.auth.parameters import id_in
from server.config import services
from submissions.intake.listing import own_phases, own_submissions

pages = Blueprint("my_submissions", __name__)


@pages.get("/my/submissions")
@allow(Who.PARTICIPANT)
def show() -> str:
    account = the_account()
    page, phase_id = id_in(request.args.get("page", "")) or 1, id_in(request.args.get("phase", ""))
    with services().db.read() as session:
        phases = own_phases(session, account.id, account.permissions)
        listed = own_submissions(session, account.id, permissions=account.permissions, phase_id=phase_id, page=page)
    return render_template("my_submissions.html", listed=listed, phases=phases, phase_id=phase_id)


@pages.get("/my/submissions/compare")
@allow(Who.PARTICIPANT)
def compare() -> ResponseReturnValue:
    """Two ticked boxes lead to the page that compares them."""
    chosen = request.args.getlist("one")[:3]
    ids = [one for one in map(id_in, chosen) if one is not None]
    if len(ids) != 2:
        flash("Select two submissions to compare them.")
        return redirect(url_for("my_submissions.show"))
    return redirect(url_for("compare.show", a=ids[0], b=ids[1]))
