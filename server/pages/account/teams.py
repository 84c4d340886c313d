"""Pages of a person's teams: the list, a team's page, creating one, inviting by a link, joining, leaving."""

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from server.auth.access import Who, allow, the_competition, visible_competitions
from server.auth.invitations import invited_to
from server.auth.login import the_account
from server.config import services
from server.forms.fields import text_field
from server.http.idempotency import once
from server.http.public_urls import full_address
from submissions.intake.listing import own_submissions
from submissions.people import teams
from submissions.people.teams import TeamRefused
from submissions.storage.name_keys import NAME_LENGTHS
from submissions.storage.site_records import CompetitionRecord

pages = Blueprint("teams", __name__)
_TEAM = "/competitions/<competition:competition_slug>/team"
_INVITATION = "/invitations/<invitation:invite_key>"


@pages.get("/my/teams")
@allow(Who.PARTICIPANT)
def mine() -> str:
    """Every competition that the reader may see, with their team in it, if there is one."""
    account = the_account()
    with services().db.read() as session:
        competitions = session.scalars(visible_competitions()).unique().all()
        own = {team.competition_id: team for team in teams.teams_of(session, account.id)}
    return render_template("teams/mine.html", competitions=competitions, own=own)


@pages.get(_TEAM)
@allow(Who.PARTICIPANT)
def show(**_named: object) -> str:
    return _page()


@pages.post(_TEAM)
@allow(Who.PARTICIPANT)
@once()
def create(**_named: object) -> ResponseReturnValue:
    name = text_field("name", NAME_LENGTHS[1] + 1)
    try:
        teams.create_team(services().db, the_competition().id, the_account().id, name)
    except TeamRefused as error:
        return _page(name, str(error)), 422
    flash("The team has been created. Send the link below to those who should join it.")
    return redirect(_team_page(the_competition()))


@pages.post(f"{_TEAM}/invite")
@allow(Who.PARTICIPANT)
def renew_invitation(**_named: object) -> ResponseReturnValue:
    if teams.new_invite(services().db, the_competition().id, the_account().id):
        flash("There is a new link. The old one has stopped working.")
    return redirect(_team_page(the_competition()))


@pages.post(f"{_TEAM}/leave")
@allow(Who.PARTICIPANT)
def leave(**_named: object) -> ResponseReturnValue:
    if teams.leave_team(services().db, the_competition().id, the_account().id):
        flash("You have left the team.")
    return redirect(_team_page(the_competition()))


@pages.get(_INVITATION)
@allow(Who.PARTICIPANT)
def invitation(invite_key: str) -> ResponseReturnValue:
    return _invitation_page(invite_key)


@pages.post(_INVITATION)
@allow(Who.PARTICIPANT)
def join(invite_key: str) -> ResponseReturnValue:
    team, competition = invited_to(invite_key)
    try:
        teams.join_team(services().db, invite_key, the_account().id)
    except TeamRefused as error:
        return _invitation_page(invite_key, str(error)), 422
    flash(f"You are in the team {team.name}.")
    return redirect(_team_page(competition))


def _page(name: str = "", message: str = "") -> str:
    """The reader's team in the competition, or the form to make one, unless it is too late for that."""
    account, competition = the_account(), the_competition()
    with services().db.read() as session:
        team = teams.team_of(session, competition.id, account.id)
        why_not = teams.merge_refusal(session, competition.id, account.id, None if team is None else team.team_id)
        listed = invite_url = None
        if team is not None:
            listed = own_submissions(session, account.id, permissions=account.permissions, team_id=team.team_id)
            invite_url = full_address("teams.invitation", invite_key=team.invite_key)
    return render_template(
        "teams/show.html",
        competition=competition,
        team=team,
        why_not=why_not,
        listed=listed,
        invite_url=invite_url,
        name=name,
        message=message,
        name_lengths=NAME_LENGTHS,
    )


def _invitation_page(invite_key: str, message: str = "") -> str:
    account = the_account()
    team, competition = invited_to(invite_key)
    with services().db.read() as session:
        own = teams.team_of(session, competition.id, account.id)
        why_not = teams.merge_refusal(session, competition.id, account.id, team.team_id)
    return render_template(
        "teams/invitation.html",
        team=team,
        competition=competition,
        own=own,
        why_not=why_not,
        invite_key=invite_key,
        message=message,
    )


def _team_page(competition: CompetitionRecord) -> str:
    return url_for("teams.show", competition_slug=competition.slug)
