"""The page of a person's sessions: in which browsers they are logged in, and ending one or all others."""

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from server.auth import login
from server.auth.access import Who, allow
from server.config import services
from server.presentation.browser_names import browser_name
from submissions.people import sessions

pages = Blueprint("sessions", __name__)
pages.add_app_template_filter(browser_name, "browser")


@pages.get("/account/sessions")
@allow(Who.PARTICIPANT)
def overview() -> str:
    with services().db.read() as session:
        listed = sessions.sessions_of(session, login.the_account().id)
    return render_template("account/sessions.html", listed=listed)


@pages.post("/account/sessions/<session:session_id>/end")
@allow(Who.PARTICIPANT)
def end(session_id: int) -> ResponseReturnValue:
    account = login.the_account()
    if session_id == account.session_id:
        login.log_out()
        flash("You are logged out.")
        return redirect(url_for("home.home"))
    if not sessions.end(services().db, account.id, session_id):
        abort(404)
    flash("That session has ended.")
    return redirect(url_for("sessions.overview"))


@pages.post("/account/sessions/end-others")
@allow(Who.PARTICIPANT)
def end_others() -> ResponseReturnValue:
    account = login.the_account()
    sessions.end_all_others(services().db, account.id, account.session_id)
    flash("All your other sessions have ended.")
    return redirect(url_for("sessions.overview"))
