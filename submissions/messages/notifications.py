"""Notifications of a person: written with the event that they report, listed on the pages, marked as read.

`submissions.evaluation.end_notices` writes those about the end of a submission.
"""

from collections.abc import Sequence

from sqlalchemy import ScalarSelect, func, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from submissions.storage.database import Database
from submissions.storage.records import NotificationRecord, utc_now

SHOWN = 100


def unread(user_id: InstrumentedAttribute[int]) -> ScalarSelect[int]:
    """Return a subquery for the number of a user's unread notifications.

    Parameters
    ----------
    user_id : int column
        The column of the outer query with the user's id.
    """
    query = select(func.count()).where(NotificationRecord.user_id == user_id, NotificationRecord.read_at.is_(None))
    return query.correlate(user_id.class_).scalar_subquery()


def notices_of(session: Session, user_id: int, limit: int = SHOWN) -> Sequence[NotificationRecord]:
    """Return the user's newest notifications, the newest first."""
    return session.scalars(
        select(NotificationRecord)
        .where(NotificationRecord.user_id == user_id)
        .order_by(NotificationRecord.id.desc())
        .limit(limit)
    ).all()


def mark_read(db: Database, user_id: int, notice_id: int | None = None) -> None:
    """Mark one notification of this user as read, or all of them (None)."""
    condition = [NotificationRecord.user_id == user_id, NotificationRecord.read_at.is_(None)]
    if notice_id is not None:
        condition.append(NotificationRecord.id == notice_id)
    with db.write() as session:
        session.execute(update(NotificationRecord).where(*condition).values(read_at=utc_now()))
