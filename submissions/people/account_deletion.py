"""Deleting an account: the person's data are removed, their submissions stay anonymously.

Submissions with their code, values and scores stay, under "deleted account" and a number, so that a leaderboard does
not change. Removed are the name, address, password, sessions, tokens, kept answers, notifications, mails, and the
description, link and alias of the person's own submissions. In which teams the person was stays on record under the
number, so that deleting an account does not free the Ladder's memory (`submissions.leaderboard.entrants`). Called by
the account's pages and the API.
"""

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from submissions.leaderboard.shown_names import DELETED
from submissions.messages import outbox
from submissions.people import teams
from submissions.people.accounts import has_password
from submissions.people.mailed_links import is_of_another
from submissions.people.sessions import end_others
from submissions.storage import board_version
from submissions.storage.database import Database
from submissions.storage.records import (
    ApiTokenRecord,
    IdempotencyRecord,
    NotificationRecord,
    SubmissionRecord,
    TeamRecord,
    UserRecord,
    utc_now,
)
from submissions.storage.roles import NOTHING, PERMISSIONS, Permissions, Role


class DeletionRefused(Exception):  # noqa: N818  (a refusal is an answer, not a malfunction)
    """The account cannot be deleted; the message is a sentence for its owner."""


def delete_account(db: Database, user_id: int, password: str) -> None:
    """Delete an account permanently.

    Parameters
    ----------
    password : str
        Of the account, as a confirmation.

    Raises
    ------
    DeletionRefused
        If the password is wrong, or the account is the last organizer's.
    """
    if not has_password(db, user_id, password):
        raise DeletionRefused("This is not your password.")
    with db.write() as session:
        user = session.get_one(UserRecord, user_id, with_for_update=True)
        if not PERMISSIONS[user.role] <= _others_permissions(session, user_id):
            raise DeletionRefused(f"You are the only {user.role}. Make another first: gengap account {user.role}")
        for team in teams.teams_of(session, user_id):
            session.get(TeamRecord, team.team_id, with_for_update=True)
            teams.go(session, team.team_id, user_id)
        for table in (ApiTokenRecord, IdempotencyRecord, NotificationRecord):
            session.execute(delete(table).where(table.user_id == user_id))
        end_others(session, user_id, None)
        if user.email is not None and not is_of_another(session, user.email, user_id):
            outbox.withdraw(session, user.email)
        session.execute(
            update(SubmissionRecord)
            .where(SubmissionRecord.user_id == user_id, SubmissionRecord.team_id.is_(None))
            .values(description="", link="", alias=None, alias_skeleton=None)
            .execution_options(synchronize_session=False)
        )
        user.name = user.name_key = f"{DELETED} {user_id}"
        user.skeleton = None
        user.email = user.email_verified_at = user.password_hash = None
        user.wants_mail = False
        user.role = Role.PARTICIPANT
        user.deleted_at = utc_now()
        session.flush()
        board_version.name_changed(session, [f"u{user_id}"])


def _others_permissions(session: Session, user_id: int) -> Permissions:
    """What is allowed to any other account: nothing must be left that nobody may do."""
    roles = select(UserRecord.role).where(UserRecord.id != user_id, UserRecord.password_hash.is_not(None)).distinct()
    return NOTHING.union(*(PERMISSIONS[role] for role in session.scalars(roles)))
