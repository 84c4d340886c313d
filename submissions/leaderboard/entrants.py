"""Entrants: whose a submission is on a leaderboard, a person's or a team's, under one key for both.

Whoever writes locks the person's row first, then the team's, then submissions, then phases, so that nobody waits in
a circle.
"""

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session

from submissions.storage.records import SubmissionRecord, TeamMemberRecord, TeamRecord, UserRecord


def entrant_of(session: Session, competition_id: int, user_id: int) -> tuple[str, int | None]:
    """Whose a submission of this person is on the competition's leaderboards, and the id of their team, if any."""
    own = select(TeamMemberRecord.team_id).where(TeamMemberRecord.user_id == user_id)
    team_id = session.scalar(own.where(TeamMemberRecord.competition_id == competition_id))
    return (alone(user_id), None) if team_id is None else (together(team_id), team_id)


def hold_entrant(session: Session, competition_id: int, user_id: int) -> tuple[str, int | None]:
    """As `entrant_of`; until the transaction ends nobody else submits for this entrant, joins or leaves it."""
    session.get(UserRecord, user_id, with_for_update=True)
    entrant, team_id = entrant_of(session, competition_id, user_id)
    if team_id is not None:
        session.get(TeamRecord, team_id, with_for_update=True)
    return entrant, team_id


def is_member(session: Session, submission: SubmissionRecord, user_id: int) -> bool:
    """Whether the submission is of a team that this person is in."""
    if submission.team_id is None:
        return False
    member = exists().where(TeamMemberRecord.team_id == submission.team_id, TeamMemberRecord.user_id == user_id)
    return bool(session.scalar(select(member)))


def team_ids_of(user_id: int | None) -> Select[int]:
    """A query for the ids of all teams that a person (None: nobody) is in, for use inside another query."""
    return select(TeamMemberRecord.team_id).where(TeamMemberRecord.user_id == user_id)


def alone(user_id: int) -> str:
    """The key of a person who takes part alone."""
    return f"u{user_id}"


def together(team_id: int) -> str:
    """The key of a team."""
    return f"t{team_id}"
