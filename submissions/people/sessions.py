"""Login sessions: begun at login, looked up with every request, listed and ended on the account's pages.

The cookie carries the user's id and a random key, the database the key's sha256, so reading the database does not give
access to a session. A session that is not used for thirty days ends. Called by the web application.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import Session

from submissions.messages.notifications import unread
from submissions.storage.database import Database
from submissions.storage.records import SessionRecord, UserRecord, utc_now
from submissions.storage.roles import Role

BROWSER_LENGTH = 200
IDLE = timedelta(days=30)
NOTED_EVERY = timedelta(minutes=5)  # a page that is polled must not write to the database each time

_OF_KEY = (
    select(SessionRecord.id, SessionRecord.seen_at, UserRecord.name, UserRecord.role, unread(UserRecord.id))
    .join(UserRecord, UserRecord.id == SessionRecord.user_id)
    .where(
        SessionRecord.key_sha256 == bindparam("key_sha256"),
        SessionRecord.user_id == bindparam("user_id"),
        SessionRecord.seen_at > bindparam("over_at"),
        UserRecord.deleted_at.is_(None),
    )
)


@dataclass(frozen=True)
class Person:
    """The data about a logged-in person that every request needs. unread: the number of unread notifications."""

    id: int
    name: str
    role: Role
    unread: int


@dataclass(frozen=True)
class Found:
    """A valid session and its person. is_noted: it was just noted as seen, so that it lasts longer."""

    session_id: int
    user: Person
    is_noted: bool


def begin(db: Database, user_id: int, browser: str, now: datetime | None = None) -> str:
    """Begin a session, and delete this user's ended sessions.

    Parameters
    ----------
    browser : str
        The User-Agent header.

    Returns
    -------
    str
        The key of the new session, for the cookie.
    """
    moment = now or utc_now()
    key = secrets.token_urlsafe(32)
    with db.write() as session:
        is_over = SessionRecord.seen_at <= moment - IDLE
        session.execute(delete(SessionRecord).where(SessionRecord.user_id == user_id, is_over))
        begun = SessionRecord(
            user_id=user_id,
            key_sha256=_digest(key),
            browser=browser[:BROWSER_LENGTH],
            created_at=moment,
            seen_at=moment,
        )
        session.add(begun)
    return key


def find(db: Database, user_id: int, key: str, now: datetime | None = None) -> Found | None:
    """The session with this key, if it is this user's and not over. It is noted as seen, every few minutes."""
    moment = now or utc_now()
    with db.read() as session:
        row = session.execute(
            _OF_KEY, {"key_sha256": _digest(key), "user_id": user_id, "over_at": moment - IDLE}
        ).first()
    if row is None:
        return None
    session_id, seen_at, name, role, unread_count = row
    is_noted = moment - seen_at >= NOTED_EVERY
    if is_noted:
        with db.write() as session:
            session.execute(update(SessionRecord).where(SessionRecord.id == session_id).values(seen_at=moment))
    return Found(session_id, Person(user_id, name, role, unread_count), is_noted)


def sessions_of(session: Session, user_id: int, now: datetime | None = None) -> Sequence[SessionRecord]:
    """List the user's valid sessions, the most recently used one first."""
    return session.scalars(
        select(SessionRecord)
        .where(SessionRecord.user_id == user_id, SessionRecord.seen_at > (now or utc_now()) - IDLE)
        .order_by(SessionRecord.seen_at.desc(), SessionRecord.id.desc())
    ).all()


def end(db: Database, user_id: int, session_id: int) -> bool:
    """End one session of this user.

    Returns
    -------
    bool
        False if it has ended already, or belongs to somebody else.
    """
    with db.write() as session:
        record = session.get(SessionRecord, session_id)
        if record is None or record.user_id != user_id:
            return False
        session.delete(record)
        return True


def end_all_others(db: Database, user_id: int, kept_id: int | None) -> None:
    """As `end_others`, in a transaction of its own."""
    with db.write() as session:
        end_others(session, user_id, kept_id)


def end_others(session: Session, user_id: int, kept_id: int | None) -> None:
    """End all sessions of this user except `kept_id` (None: all of them)."""
    condition = SessionRecord.user_id == user_id
    if kept_id is not None:
        condition &= SessionRecord.id != kept_id
    session.execute(delete(SessionRecord).where(condition))


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
