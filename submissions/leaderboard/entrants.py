"""Entrants: a person or a team on a leaderboard, under one key for both.

Locks are taken in one order, so that there is no deadlock: the person's row, the team's, submissions, phases.
"""

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session

from submissions.storage.records import SubmissionRecord, TeamMemberRecord, TeamRecord, UserRecord


def entrant_of(session: Session, competition_id: int, user_id: int) -> tuple[str, int | None]:
    """Return the key of this person's entrant in the competition, and the id of their team, if any."""
    own = select(TeamMemberRecord.team_id).where(TeamMemberRecord.user_id == user_id)
    team_id = session.scalar(own.where(TeamMemberRecord.competition_id == competition_id))
    return (alone(user_id), None) if team_id is None else (together(team_id), team_id)


def hold_entrant(session: Session, competition_id: int, user_id: int) -> tuple[str, int | None]:
    """Return the same as `entrant_of`, and lock the entrant: nobody else submits for, joins or leaves it meanwhile."""
    session.get(UserRecord, user_id, with_for_update=True)
    entrant, team_id = entrant_of(session, competition_id, user_id)
    if team_id is not None:
        session.get(TeamRecord, team_id, with_for_update=True)
    return entrant, team_id


def is_member(session: Session, submission: SubmissionRecord, user_id: int) -> bool:
    """Check whether the submission belongs to a team that this person is in."""
    if submission.team_id is None:
        return False
    member = exists().where(TeamMemberRecord.team_id == submission.team_id, TeamMemberRecord.user_id == user_id)
    return bool(session.scalar(select(member)))


def team_ids_of(user_id: int | None) -> Select[int]:
    """Return a subquery for the ids of all teams of a person (None: no team)."""
    return select(TeamMemberRecord.team_id).where(TeamMemberRecord.user_id == user_id)


def alone(user_id: int) -> str:
    """Return the key of a person who takes part alone."""
    return f"u{user_id}"


def together(team_id: int) -> str:
    """Return the key of a team."""
    return f"t{team_id}"
