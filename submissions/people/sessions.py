"""Sessions: in which browsers a person is logged in. Begun, found again with every request, listed and ended here.

The cookie carries the user's id and a random key, the database the key's sha256: who reads the database gets into
no session. A session that was not seen for thirty days is over. Called by the web application.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from submissions.messages.notifications import unread
from submissions.storage.database import Database
from submissions.storage.records import SessionRecord, UserRecord, utc_now

BROWSER_LENGTH = 200
IDLE = timedelta(days=30)
NOTED_EVERY = timedelta(minutes=5)  # a page that is polled must not write to the database each time


@dataclass(frozen=True)
class Person:
    """What every request needs to know of who is logged in. unread: how many notifications they have not read."""

    id: int
    name: str
    role: str
    unread: int


@dataclass(frozen=True)
class Found:
    """Whose a session is."""

    session_id: int
    user: Person


@dataclass(frozen=True)
class OpenSession:
    """One browser in which a person is logged in. browser: what it says of itself (User-Agent)."""

    session_id: int
    browser: str
    created_at: datetime
    seen_at: datetime


def begin(db: Database, user_id: int, browser: str, now: datetime | None = None) -> str:
    """The key of a new session. Sessions of this user that are over leave the table."""
    moment = now or utc_now()
    key = secrets.token_urlsafe(32)
    with db.write() as session:
        session.execute(
            delete(SessionRecord).where(SessionRecord.user_id == user_id, SessionRecord.seen_at <= moment - IDLE)
        )
        session.add(
            SessionRecord(
                user_id=user_id,
                key_sha256=_digest(key),
                browser=browser[:BROWSER_LENGTH],
                created_at=moment,
                seen_at=moment,
            )
        )
    return key


def find(db: Database, user_id: int, key: str, now: datetime | None = None) -> Found | None:
    """The session with this key, if it is this user's and not over. It is noted as seen, every few minutes."""
    moment = now or utc_now()
    with db.read() as session:
        row = session.execute(
            select(SessionRecord.id, SessionRecord.seen_at, UserRecord.name, UserRecord.role, unread(UserRecord.id))
            .join(UserRecord, UserRecord.id == SessionRecord.user_id)
            .where(
                SessionRecord.key_sha256 == _digest(key),
                SessionRecord.user_id == user_id,
                SessionRecord.seen_at > moment - IDLE,
                UserRecord.deleted_at.is_(None),
            )
        ).first()
    if row is None:
        return None
    session_id, seen_at, name, role, unread_count = row
    if moment - seen_at >= NOTED_EVERY:
        with db.write() as session:
            session.execute(update(SessionRecord).where(SessionRecord.id == session_id).values(seen_at=moment))
    return Found(session_id, Person(user_id, name, role, unread_count))


def sessions_of(session: Session, user_id: int, now: datetime | None = None) -> list[OpenSession]:
    """The user's sessions that are not over, the one seen last first."""
    found = session.scalars(
        select(SessionRecord)
        .where(SessionRecord.user_id == user_id, SessionRecord.seen_at > (now or utc_now()) - IDLE)
        .order_by(SessionRecord.seen_at.desc(), SessionRecord.id.desc())
    )
    return [OpenSession(one.id, one.browser, one.created_at, one.seen_at) for one in found]


def end(db: Database, user_id: int, session_id: int) -> bool:
    """End one session of this user; False where it has ended already, or is somebody else's."""
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
    """End all sessions of this user but the one with `kept_id` (None: all of them)."""
    condition = SessionRecord.user_id == user_id
    if kept_id is not None:
        condition &= SessionRecord.id != kept_id
    session.execute(delete(SessionRecord).where(condition))


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
