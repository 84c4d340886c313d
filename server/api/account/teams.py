"""Teams: a person's team in each competition: create, join by an invitation, leave."""

from datetime import datetime

from flask import url_for
from pydantic import Field
from sqlalchemy.orm import Session

from server.api.fields import Answer, Body, Line
from server.api.routes import Created, Routes
from server.auth.access import Who, the_competition
from server.auth.invitations import invited_to
from server.auth.login import the_account
from server.config import services
from server.problems import Problem
from submissions.people import teams
from submissions.people.tokens import Scope
from submissions.storage.site_records import CompetitionRecord

routes = Routes(60, "teams", "Teams", "People who take part in a competition together.")


class Member(Answer):
    name: str
    joined_at: datetime


class InvitedTeam(Answer):
    """A team as shown to people with its invitation."""

    competition: str = Field(description="The competition's short name")
    name: str
    most_members: int
    members: list[Member]


class Team(InvitedTeam):
    """A team as its members see it."""

    invite_key: str = Field(description="Anybody who has it can join, at /invitations/{invite_key}")
    created_at: datetime


class Teams(Answer):
    items: list[Team]


class TeamWanted(Body):
    name: Line


@routes.get("/teams", Who.PARTICIPANT)
def list_teams() -> Teams:
    """Your teams, the newest first"""
    with services().db.read() as session:
        return Teams(items=[_told(session, team) for team in teams.teams_of(session, the_account().id)])


@routes.get("/competitions/<competition:competition_slug>/team", Who.PARTICIPANT)
def show() -> Team:
    """Your team in a competition"""
    return _own_team()


@routes.post("/competitions/<competition:competition_slug>/team", Who.PARTICIPANT, Scope.ACCOUNT, conflicts=True)
def create(body: TeamWanted) -> Created[Team]:
    """Create a team, with your submissions of the competition"""
    teams.create_team(services().db, the_competition().id, the_account().id, body.name)
    return Created(_own_team(), url_for("api_teams.show", competition_slug=the_competition().slug))


@routes.delete("/competitions/<competition:competition_slug>/team/me", Who.PARTICIPANT, Scope.ACCOUNT)
def leave() -> None:
    """Leave your team

    The submissions made for it stay with it."""
    if not teams.leave_team(services().db, the_competition().id, the_account().id):
        raise _no_team()


@routes.post("/competitions/<competition:competition_slug>/team/invitation", Who.PARTICIPANT, Scope.ACCOUNT)
def renew_invitation() -> Team:
    """Give your team a new invitation; the old one stops working"""
    if not teams.new_invite(services().db, the_competition().id, the_account().id):
        raise _no_team()
    return _own_team()


@routes.get("/invitations/<invitation:invite_key>", Who.PARTICIPANT)
def show_invitation(invite_key: str) -> InvitedTeam:
    """The team of an invitation"""
    team, competition = invited_to(invite_key)
    return InvitedTeam.of(team, competition=competition.slug)


@routes.post("/invitations/<invitation:invite_key>/accept", Who.PARTICIPANT, Scope.ACCOUNT, conflicts=True)
def accept_invitation(invite_key: str) -> Team:
    """Join the team of an invitation, with your submissions of the competition"""
    invited_to(invite_key)
    teams.join_team(services().db, invite_key, the_account().id)
    team, competition = invited_to(invite_key)
    return Team.of(team, competition=competition.slug)


def _own_team() -> Team:
    with services().db.read() as session:
        team = teams.team_of(session, the_competition().id, the_account().id)
        if team is None:
            raise _no_team()
        return _told(session, team)


def _told(session: Session, team: teams.Team) -> Team:
    return Team.of(team, competition=session.get_one(CompetitionRecord, team.competition_id).slug)


def _no_team() -> Problem:
    return Problem(404, "You have no team in this competition.")
