"""The page of a person's notifications: what has happened to their submissions, and marking it as read."""

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from server.auth.access import Who, allow
from server.auth.login import the_account
from server.config import services
from submissions.messages.notifications import SHOWN, mark_read, notices_of

pages = Blueprint("notices", __name__)


@pages.get("/account/notifications")
@allow(Who.PARTICIPANT)
def overview() -> str:
    with services().db.read() as session:
        listed = notices_of(session, the_account().id)
    return render_template("account/notifications.html", listed=listed, most=SHOWN)


@pages.post("/account/notifications/read")
@allow(Who.PARTICIPANT)
def read_all() -> ResponseReturnValue:
    mark_read(services().db, the_account().id)
    return redirect(url_for("notices.overview"))


@pages.post("/account/notifications/<notification:notice_id>/read")
@allow(Who.PARTICIPANT)
def read(notice_id: int) -> ResponseReturnValue:
    mark_read(services().db, the_account().id, notice_id)
    return redirect(url_for("notices.overview"))
