"""Teams: people who take part in a competition together and share one place on its leaderboards.

A person is in at most one team per competition. People who join bring their own submissions of that competition; people
who leave do not take along those made for the team. Whoever was ever in a team stays on record as its person, whom the
Ladder knows (`submissions.leaderboard.entrants`). Locks are taken in one order, so that there is no deadlock: the
person's row, the team's, submissions, phases. Called by pages and by `submissions.evaluation.outcomes`.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, delete, exists, select
from sqlalchemy.orm import Session

from submissions.leaderboard import standings
from submissions.leaderboard.entrants import alone, entrant_of, hold_entrant, team_ids_of, together
from submissions.leaderboard.shown_names import hold_names, is_taken
from submissions.storage.database import Database
from submissions.storage.name_keys import NAME_LENGTHS, is_name, name_key, plain_name, skeleton
from submissions.storage.records import (
    CompetitionRecord,
    PhaseRecord,
    SubmissionRecord,
    TeamMemberRecord,
    TeamPersonRecord,
    TeamRecord,
    UserRecord,
    copied,
    utc_now,
)


class TeamRefused(Exception):  # noqa: N818  (a refusal is an answer, not a malfunction)
    """A team cannot be created, joined or left as requested; the message is a sentence for the person."""


@dataclass(frozen=True)
class Member:
    """A member of a team."""

    user_id: int
    name: str
    joined_at: datetime


@dataclass(frozen=True)
class Team:
    """A team with its members, the first one first.

    Attributes
    ----------
    invite_key : str
        Whoever has it can join.
    most_members : int
        Maximum number of members.
    """

    team_id: int
    competition_id: int
    name: str
    invite_key: str
    created_at: datetime
    most_members: int
    members: tuple[Member, ...]

    @property
    def is_full(self) -> bool:
        """Whether the team has as many members as the competition allows."""
        return len(self.members) >= self.most_members


def team_of(session: Session, competition_id: int, user_id: int) -> Team | None:
    """Return the team of this person in the competition, if any."""
    _, team_id = entrant_of(session, competition_id, user_id)
    return None if team_id is None else _team(session, session.get_one(TeamRecord, team_id))


def teams_of(session: Session, user_id: int) -> list[Team]:
    """Return all teams of a person, the newest first."""
    records = session.scalars(
        select(TeamRecord).where(TeamRecord.id.in_(team_ids_of(user_id))).order_by(TeamRecord.id.desc())
    ).all()
    return [_team(session, record) for record in records]


def invited_to(session: Session, invite_key: str) -> Team | None:
    """Return the team of an invitation link, if it is valid."""
    record = session.scalar(select(TeamRecord).where(TeamRecord.invite_key == invite_key))
    return None if record is None else _team(session, record)


def create_team(db: Database, competition_id: int, user_id: int, name: str, now: datetime | None = None) -> int:
    """Create a team with this person and their submissions of the competition.

    Returns
    -------
    int
        The id of the new team.

    Raises
    ------
    TeamRefused
        If the name is invalid or taken, or the person cannot create a team.
    """
    name = plain_name(name)
    if not NAME_LENGTHS[0] <= len(name) <= NAME_LENGTHS[1]:
        raise TeamRefused("A team's name has {} to {} characters.".format(*NAME_LENGTHS))
    if not is_name(name, "._- "):
        raise TeamRefused("A team's name starts with a letter or digit and has only these, . _ - and single spaces.")
    with db.write() as session:
        _, known = hold_entrant(session, competition_id, user_id)
        if known is not None:
            raise TeamRefused("You are in a team of this competition already.")
        hold_names(session)
        if is_taken(session, name, user_id, new_team_in=competition_id):
            raise TeamRefused("This name is taken, or looks like one that is.")
        if why_not := merge_refusal(session, competition_id, user_id, None, now):
            raise TeamRefused(why_not)
        team = TeamRecord(
            competition_id=competition_id,
            name=name,
            name_key=name_key(name),
            skeleton=skeleton(name),
            invite_key=_new_invite_key(),
        )
        session.add(team)
        session.flush()
        _enter(session, team, user_id)
        return team.id


def join_team(db: Database, invite_key: str, user_id: int, now: datetime | None = None) -> int:
    """Add this person, with their submissions of the competition, to the team of an invitation link.

    Returns
    -------
    int
        The id of the team.

    Raises
    ------
    TeamRefused
        If the link is invalid, the team is full, or the person cannot join it.
    """
    with db.write() as session:
        team = invited_to(session, invite_key)
        if team is None:
            raise TeamRefused("This invitation link is not valid any more. Ask the team for a new one.")
        _, known = hold_entrant(session, team.competition_id, user_id)
        record = session.get_one(TeamRecord, team.team_id, with_for_update=True, populate_existing=True)
        if known == record.id:
            return record.id
        if record.invite_key != invite_key:
            raise TeamRefused("This link has just been replaced by another. Ask the team for the new one.")
        if known is not None:
            raise TeamRefused("You are in another team of this competition. Leave that one first.")
        if _team(session, record).is_full:
            raise TeamRefused(f"The team has {team.most_members} members, the most that this competition allows.")
        if why_not := merge_refusal(session, record.competition_id, user_id, record.id, now):
            raise TeamRefused(why_not)
        _enter(session, record, user_id)
        return record.id


def leave_team(db: Database, competition_id: int, user_id: int) -> bool:
    """Remove this person from their team of the competition.

    The submissions made for the team stay with it. A team without members keeps its place on leaderboards.

    Returns
    -------
    bool
        False if the person has no team.
    """
    with db.write() as session:
        _, team_id = hold_entrant(session, competition_id, user_id)
        if team_id is None:
            return False
        go(session, team_id, user_id)
        return True


def go(session: Session, team_id: int, user_id: int) -> None:
    """Remove a person from a team; the caller has locked both rows. An empty team's invitation link becomes invalid."""
    session.execute(
        delete(TeamMemberRecord).where(TeamMemberRecord.team_id == team_id, TeamMemberRecord.user_id == user_id)
    )
    if not session.scalar(select(exists().where(TeamMemberRecord.team_id == team_id))):
        session.get_one(TeamRecord, team_id).invite_key = _new_invite_key()


def new_invite(db: Database, competition_id: int, user_id: int) -> bool:
    """Replace the invitation key of this person's team, so that the old link becomes invalid.

    Returns
    -------
    bool
        False if the person has no team.
    """
    with db.write() as session:
        _, team_id = hold_entrant(session, competition_id, user_id)
        if team_id is None:
            return False
        session.get_one(TeamRecord, team_id).invite_key = _new_invite_key()
        return True


def merge_refusal(
    session: Session, competition_id: int, user_id: int, team_id: int | None, now: datetime | None = None
) -> str | None:
    """Return why this person's submissions cannot become the team's; None if they can.

    Results of a closed phase must not change, as they would if the person or the team had any there.

    Parameters
    ----------
    team_id : int or None
        None for a new team.
    """
    moment = now or utc_now()
    phases = session.execute(
        select(PhaseRecord.id, PhaseRecord.title, PhaseRecord.closes_at)
        .where(PhaseRecord.competition_id == competition_id)
        .order_by(PhaseRecord.closes_at)
    ).all()
    closed = [phase for phase in phases if phase.closes_at is not None and phase.closes_at <= moment]
    if phases and len(closed) == len(phases):
        return "Every phase of this competition has closed, so teams stay as they are."
    for phase in closed:
        in_phase = and_(SubmissionRecord.phase_id == phase.id, SubmissionRecord.is_baseline.is_(False))
        when = f"{phase.title}, which closed on {phase.closes_at:%d %B %Y}"
        if session.scalar(select(exists().where(in_phase, SubmissionRecord.entrant == alone(user_id)))):
            return f"You have submissions in {when}: they cannot become a team's any more."
        if team_id and session.scalar(select(exists().where(in_phase, SubmissionRecord.team_id == team_id))):
            return f"The team has submissions in {when}: nobody can join it any more."
    return None


def _enter(session: Session, team: TeamRecord, user_id: int) -> None:
    """Make the person a member, and move their submissions of the competition and the standings to the team."""
    session.add(TeamMemberRecord(team_id=team.id, user_id=user_id, competition_id=team.competition_id))
    if session.get(TeamPersonRecord, (team.id, user_id)) is None:  # who comes back is known
        session.add(TeamPersonRecord(team_id=team.id, user_id=user_id))
    phase_ids = select(PhaseRecord.id).where(PhaseRecord.competition_id == team.competition_id)
    own = and_(SubmissionRecord.phase_id.in_(phase_ids), SubmissionRecord.entrant == alone(user_id))
    submissions = session.scalars(select(SubmissionRecord).where(own).with_for_update()).all()
    chosen_by_team = select(SubmissionRecord.phase_id).where(
        SubmissionRecord.entrant == together(team.id), SubmissionRecord.is_chosen
    )
    already_chosen = session.scalars(chosen_by_team).all()
    for submission in submissions:
        submission.is_chosen &= submission.phase_id not in already_chosen
        submission.entrant, submission.team_id = together(team.id), team.id
    session.flush()
    laddered = session.scalars(phase_ids.where(PhaseRecord.uses_ladder))  # the team's memory is the person's too
    for phase_id in sorted({*(submission.phase_id for submission in submissions), *laddered}):
        standings.recount(session, phase_id, [alone(user_id), together(team.id)], anew=True)


def _team(session: Session, record: TeamRecord) -> Team:
    rows = session.execute(
        select(UserRecord.id, UserRecord.name, TeamMemberRecord.joined_at)
        .join(TeamMemberRecord, TeamMemberRecord.user_id == UserRecord.id)
        .where(TeamMemberRecord.team_id == record.id)
        .order_by(TeamMemberRecord.joined_at, UserRecord.id)
    )
    most = session.get_one(CompetitionRecord, record.competition_id).team_members
    members = tuple(Member(*row) for row in rows)
    return copied(Team, record, team_id=record.id, most_members=most, members=members)


def _new_invite_key() -> str:
    return secrets.token_urlsafe(24)
