"""Announcements on a competition's page: dated messages from the organizers. Called by pages and the API."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from submissions.competitions.competitions import TEXT_LENGTH, CompetitionRefused, title_check
from submissions.storage.audit import record_act
from submissions.storage.database import Database
from submissions.storage.field_error import faults
from submissions.storage.records import AnnouncementRecord, CompetitionRecord, UserRecord, copied


@dataclass(frozen=True)
class Announcement:
    """One message. author: the organizer's name, None for the command line."""

    id: int
    title: str
    text: str
    at: datetime
    author: str | None


def announce(db: Database, competition_id: int, title: str, text: str, *, user_id: int | None) -> int:
    """Publish a message on the competition's page.

    Parameters
    ----------
    user_id : int or None
        The author; None for the command line.

    Returns
    -------
    int
        The id of the announcement.

    Raises
    ------
    CompetitionRefused
        With a sentence for every faulty field.
    """
    is_short = len(text) <= TEXT_LENGTH, f"An announcement has at most {TEXT_LENGTH} characters."
    if messages := faults({"title": title_check("announcement", title), "text": is_short}):
        raise CompetitionRefused(messages)
    with db.write() as session:
        competition = session.get_one(CompetitionRecord, competition_id)
        record = AnnouncementRecord(competition_id=competition_id, title=title, text=text, user_id=user_id)
        session.add(record)
        session.flush()
        record_act(session, "announced", user_id=user_id, detail=f"{competition.slug}: {title}")
        return record.id


def withdraw(db: Database, competition_id: int, announcement_id: int, *, user_id: int | None) -> bool:
    """Remove a message from the competition's page.

    Returns
    -------
    bool
        False if there is no such message.
    """
    with db.write() as session:
        record = session.get(AnnouncementRecord, announcement_id)
        if record is None or record.competition_id != competition_id:
            return False
        competition = session.get_one(CompetitionRecord, competition_id)
        record_act(session, "withdrew", user_id=user_id, detail=f"{competition.slug}: {record.title}")
        session.delete(record)
        return True


def announcements_of(session: Session, competition_id: int) -> tuple[Announcement, ...]:
    """Return the competition's messages, the newest first."""
    rows = session.execute(
        select(AnnouncementRecord, UserRecord.name)
        .outerjoin(UserRecord, UserRecord.id == AnnouncementRecord.user_id)
        .where(AnnouncementRecord.competition_id == competition_id)
        .order_by(AnnouncementRecord.at.desc(), AnnouncementRecord.id.desc())
    )
    return tuple(copied(Announcement, record, author=name) for record, name in rows)
