"""A person's own list of submissions, their teams' among them: by phase, a page at a time, two of them to compare."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from server.auth.access import Who, allow
from server.auth.login import the_account
from server.config import services
from server.forms.fields import LARGEST_ID
from submissions.intake.listing import own_phases, own_submissions

MOST_PAGES = 100_000

pages = Blueprint("my_submissions", __name__)


@pages.get("/my/submissions")
@allow(Who.PARTICIPANT)
def show() -> str:
    account = the_account()
    page, phase_id = _number("page", MOST_PAGES) or 1, _number("phase", LARGEST_ID)
    with services().db.read() as session:
        phases = own_phases(session, account.id, is_organizer=account.is_organizer)
        listed = own_submissions(session, account.id, is_organizer=account.is_organizer, phase_id=phase_id, page=page)
    return render_template("my_submissions.html", listed=listed, phases=phases, phase_id=phase_id)


@pages.get("/my/submissions/compare")
@allow(Who.PARTICIPANT)
def compare() -> ResponseReturnValue:
    """Two ticked boxes lead to the page that compares them."""
    chosen = request.args.getlist("one")[:3]
    ids = [int(text) for text in chosen if text.isdecimal() and len(text) <= len(str(LARGEST_ID))]
    if len(ids) != 2 or max(ids) > LARGEST_ID:
        flash("Select two submissions to compare them.")
        return redirect(url_for("my_submissions.show"))
    return redirect(url_for("compare.show", a=ids[0], b=ids[1]))


def _number(name: str, largest: int) -> int | None:
    text = request.args.get(name, "")
    is_number = text.isdecimal() and len(text) <= len(str(largest)) and 1 <= int(text) <= largest
    return int(text) if is_number else None
