"""Who may appear under which name: nobody under one that looks like somebody else's, or like one of the site's own.

People, teams and aliases share one namespace. Everything that sets a name asks here: registration, a change of name, a
new team, the alias of a submission, and the commands.
"""

from sqlalchemy import ColumnElement, and_, exists, or_, select, text
from sqlalchemy.orm import Session

from submissions.baselines import BASELINES
from submissions.leaderboard.entrants import team_ids_of
from submissions.storage.name_keys import name_key, skeleton
from submissions.storage.records import SubmissionRecord, TeamRecord, UserRecord

SYSTEM_NAME = "gengap"  # the owner of baselines
DELETED = "deleted account"  # what a deleted account is called, with its number
_LOCK = 7031971  # any number, the same for every process of Gengap


def hold_names(session: Session) -> None:
    """Let no other transaction set a name until this one ends (PostgreSQL; SQLite has a single writer).

    Locks are taken in one order, so that there is no deadlock: the person's row, the team's, this one, then the rest.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def is_taken(session: Session, name: str, user_id: int | None, *, new_team_in: int | None = None) -> bool:
    """Check whether a name looks like somebody else's.

    Parameters
    ----------
    user_id : int or None
        The person who wants it, who may use their own name and aliases; None for a new account.
    new_team_in : int or None, optional
        The competition of a new team; only teams of the same competition must look different. None for the name of a
        person and for an alias, which must not look like any team's.
    """
    look = skeleton(name)
    if not look or _is_ours(look):
        return True
    own = user_id or 0
    person = and_(UserRecord.id != own, _looks_like(UserRecord, name))
    team = _looks_like(TeamRecord, name)
    if new_team_in is not None:
        team &= TeamRecord.competition_id == new_team_in
    no_team_of_theirs = or_(SubmissionRecord.team_id.is_(None), SubmissionRecord.team_id.not_in(team_ids_of(own)))
    alias = and_(SubmissionRecord.alias_skeleton == look, SubmissionRecord.user_id != own, no_team_of_theirs)
    return bool(session.scalar(select(exists().where(person) | exists().where(team) | exists().where(alias))))


def _looks_like(table: type[UserRecord] | type[TeamRecord], name: str) -> ColumnElement[bool]:
    """Compare the letters too, because a record that has looked like another one since earlier has no skeleton."""
    return or_(table.skeleton == skeleton(name), table.name_key == name_key(name))


def _is_ours(look: str) -> bool:
    letters = _letters(look)
    return letters in _OURS or letters.startswith(_letters(skeleton(DELETED)))


def _letters(look: str) -> str:
    return "".join(character for character in look if character.isalnum())


_OURS = frozenset(_letters(skeleton(name)) for name in (SYSTEM_NAME, *(baseline.name for baseline in BASELINES)))
