"""Entrants: a person or a team on a leaderboard, under one key for both.

What one entrant has been shown, everybody knows who was ever in it. So an entrant has a share in the memory of every
other one with a person in common, now or before: see `Acquaintances`.

Locks are taken in one order, so that there is no deadlock: the person's row, the team's, submissions, phases.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import BindParameter, Select, exists, select
from sqlalchemy.orm import Session

from submissions.storage.records import TeamMemberRecord, TeamPersonRecord, TeamRecord, UserRecord
from submissions.storage.submission_head import AnySubmission

_ALONE = "u"


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


@dataclass
class Acquaintances:
    """Who was ever in which team of a competition.

    Attributes
    ----------
    persons : dict[str, set[int]]
        Key of each team → its persons, past and present.
    teams : dict[int, set[str]]
        Each of these persons → the keys of their teams.
    """

    persons: dict[str, set[int]] = field(default_factory=dict)
    teams: dict[int, set[str]] = field(default_factory=dict)

    def of(self, entrant: str) -> set[str]:
        """Return the entrants that share a person with this one, and itself."""
        persons = self.persons.get(entrant) or ({int(entrant[1:])} if entrant.startswith(_ALONE) else set())
        return {entrant}.union({alone(person) for person in persons}, *(self.teams.get(one, ()) for one in persons))

    def of_all(self, entrants: Iterable[str]) -> set[str]:
        """Return the entrants that share a person with any of these, and these."""
        return set().union(*(self.of(entrant) for entrant in entrants))


def acquaintances(session: Session, competition_id: int) -> Acquaintances:
    """Return who was ever in which team of the competition."""
    found = Acquaintances()
    rows = session.execute(
        select(TeamPersonRecord.team_id, TeamPersonRecord.user_id)
        .join(TeamRecord, TeamRecord.id == TeamPersonRecord.team_id)
        .where(TeamRecord.competition_id == competition_id)
    )
    for team_id, user_id in rows:
        found.persons.setdefault(together(team_id), set()).add(user_id)
        found.teams.setdefault(user_id, set()).add(together(team_id))
    return found


def is_member(session: Session, submission: AnySubmission, user_id: int) -> bool:
    """Check whether the submission belongs to a team that this person is in."""
    if submission.team_id is None:
        return False
    member = exists().where(TeamMemberRecord.team_id == submission.team_id, TeamMemberRecord.user_id == user_id)
    return bool(session.scalar(select(member)))


def team_ids_of(user_id: int | BindParameter[int]) -> Select[int]:
    """Return a subquery for the ids of all teams of a person."""
    return select(TeamMemberRecord.team_id).where(TeamMemberRecord.user_id == user_id)


def alone(user_id: int) -> str:
    """Return the key of a person who takes part alone."""
    return f"{_ALONE}{user_id}"


def together(team_id: int) -> str:
    """Return the key of a team."""
    return f"t{team_id}"
