"""The organizers' page for one competition: its texts, the size of teams, and its announcements."""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from server.auth.access import allow
from server.auth.login import the_account
from server.config import services
from server.forms.fields import paragraph_field, text_field
from server.http.idempotency import once
from submissions.competitions.announcements import announce, announcements_of, withdraw
from submissions.competitions.competitions import (
    TEXT_LENGTH,
    TITLE_LENGTH,
    CompetitionRefused,
    CompetitionTexts,
    change_competition,
)
from submissions.storage.roles import Permission
from submissions.storage.site_records import CompetitionRecord

pages = Blueprint("competition_form", __name__)
_COMPETITION = "/organizer/competitions/<competition_number:competition_id>"
_NUMBER_DIGITS = 9


@pages.get(_COMPETITION)
@allow(Permission.MANAGE_PHASES)
def show(competition_id: int) -> str:
    return _page(competition_id)


@pages.post(_COMPETITION)
@allow(Permission.MANAGE_PHASES)
def change(competition_id: int) -> ResponseReturnValue:
    _the_competition(competition_id)
    members = text_field("team_members", _NUMBER_DIGITS)
    texts = CompetitionTexts(
        title=text_field("title", TITLE_LENGTH + 1),
        text=paragraph_field("text", TEXT_LENGTH + 1),
        rules=paragraph_field("rules", TEXT_LENGTH + 1),
        team_members=int(members) if members.isdecimal() else 0,
    )
    try:
        change_competition(services().db, competition_id, texts)
    except CompetitionRefused as error:
        return _page(competition_id, texts, error.messages), 422
    flash("Changed.")
    return redirect(url_for("competition_form.show", competition_id=competition_id))


@pages.post(f"{_COMPETITION}/announcements")
@allow(Permission.MANAGE_PHASES)
@once()
def add_announcement(competition_id: int) -> ResponseReturnValue:
    _the_competition(competition_id)
    title, text = text_field("headline", TITLE_LENGTH + 1), paragraph_field("message", TEXT_LENGTH + 1)
    try:
        announce(services().db, competition_id, title, text, user_id=the_account().id)
    except CompetitionRefused as error:
        renamed = {{"title": "headline", "text": "message"}[name]: told for name, told in error.messages.items()}
        return _page(competition_id, messages=renamed), 422
    flash("The announcement is on the competition's page.")
    return redirect(url_for("competition_form.show", competition_id=competition_id))


@pages.post(f"{_COMPETITION}/announcements/<announcement:announcement_id>/withdraw")
@allow(Permission.MANAGE_PHASES)
def withdraw_announcement(competition_id: int, announcement_id: int) -> ResponseReturnValue:
    _the_competition(competition_id)
    is_gone = withdraw(services().db, competition_id, announcement_id, user_id=the_account().id)
    flash("Withdrawn." if is_gone else "It was withdrawn already.")
    return redirect(url_for("competition_form.show", competition_id=competition_id))


def _page(competition_id: int, texts: CompetitionTexts | None = None, messages: dict[str, str] | None = None) -> str:
    competition = _the_competition(competition_id)
    now = CompetitionTexts(competition.title, competition.text, competition.rules, competition.team_members)
    with services().db.read() as session:
        announcements = announcements_of(session, competition_id)
    return render_template(
        "competitions/edit.html",
        competition=competition,
        texts=texts or now,
        messages=messages or {},
        announcements=announcements,
        typed=request.form,
    )


def _the_competition(competition_id: int) -> CompetitionRecord:
    with services().db.read() as session:
        return session.get(CompetitionRecord, competition_id) or abort(404)
