"""The team of an invitation, for those who have its key. Called by the pages and the API of teams."""

from flask import abort

from server.auth.access import visible_competitions
from server.config import services
from submissions.people import teams
from submissions.people.teams import Team
from submissions.storage.site_records import CompetitionRecord


def invited_to(invite_key: str) -> tuple[Team, CompetitionRecord]:
    """Return the team of an invitation, and its competition if the reader may see that; else 404."""
    with services().db.read() as session:
        team = teams.invited_to(session, invite_key) or abort(404)
        visible = visible_competitions().where(CompetitionRecord.id == team.competition_id)
        return team, session.scalars(visible).unique().one_or_none() or abort(404)
