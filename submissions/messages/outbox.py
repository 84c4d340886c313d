"""The outbox: mails are written in the transaction that causes them; a worker sends those that are due.

A mail is locked while it is claimed, so two workers do not send it twice. A claim also sets the time of the next try,
so a mail whose worker died is tried again. The text of a mail is deleted once the mail is sent or given up,
because it may contain a login link. `worker.mailer` sends the mails.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from submissions.storage.database import Database
from submissions.storage.queries import count
from submissions.storage.records import MailRecord, utc_now

SITE = "{site}"  # stands in a text for the public address of the site, which only the sender knows
PAUSES = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=20),
    timedelta(hours=1),
    timedelta(hours=4),
    timedelta(hours=12),
    timedelta(hours=24),
)
MOST_TRIES = len(PAUSES) + 1
KEPT = timedelta(days=30)
_ERROR_LENGTH = 500


def write_mail(session: Session, address: str, subject: str, text: str) -> None:
    """Put a mail into the outbox. In its text, `SITE` stands for the site's public address."""
    session.add(MailRecord(address=address, subject=" ".join(subject.split())[:200], text=text))


def write_nothing(session: Session, address: str, subject: str) -> None:
    """Put a row into the outbox that is never sent, where nobody may notice that no mail is written.

    It costs as much as `write_mail`, counts in `written_since`, and is deleted with old mails.
    """
    session.add(MailRecord(address=address, subject=subject, text="", next_try_at=None))


def written_since(session: Session, address: str, subject: str, moment: datetime) -> int:
    """Return how many mails with this subject were written to this address since `moment`."""
    sent_to = MailRecord.address == address
    return count(session, MailRecord, sent_to, MailRecord.subject == subject, MailRecord.created_at > moment)


def claim_due(db: Database, now: datetime | None = None) -> MailRecord | None:
    """Claim the mail that has been due for longest; None if none is due. Its `tries` include the one that begins."""
    moment = now or utc_now()
    due = select(MailRecord).where(MailRecord.next_try_at <= moment).order_by(MailRecord.next_try_at).limit(1)
    with db.read() as session:  # most looks find nothing, and need not wait for the writer
        if session.scalar(due) is None:
            return None
    with db.write() as session:
        mail = session.scalar(due.with_for_update(skip_locked=True))
        if mail is not None:
            mail.tries += 1
            mail.next_try_at = moment + PAUSES[mail.tries - 1] if mail.tries < MOST_TRIES else None
        return mail


def note_sent(db: Database, mail_id: int) -> None:
    """Record that a mail was sent."""
    _end(db, mail_id, {"sent_at": utc_now(), "error": None})


def note_failure(db: Database, mail: MailRecord, error: str, *, for_good: bool) -> bool:
    """Record that the mail server did not accept a mail.

    Parameters
    ----------
    error : str
        The server's reply.
    for_good : bool
        Whether the failure is permanent.

    Returns
    -------
    bool
        Whether it will be tried again.
    """
    if for_good or mail.tries >= MOST_TRIES:
        _end(db, mail.id, {"error": error[:_ERROR_LENGTH]})
        return False
    with db.write() as session:
        session.execute(update(MailRecord).where(MailRecord.id == mail.id).values(error=error[:_ERROR_LENGTH]))
    return True


def forget_old(db: Database, now: datetime | None = None) -> None:
    """Delete mails that were sent or given up long ago."""
    condition = (MailRecord.next_try_at.is_(None), MailRecord.created_at <= (now or utc_now()) - KEPT)
    with db.read() as session:
        if session.scalar(select(MailRecord.id).where(*condition).limit(1)) is None:
            return
    with db.write() as session:
        session.execute(delete(MailRecord).where(*condition))


def withdraw(session: Session, address: str) -> None:
    """Delete every mail to this address, sent or not."""
    session.execute(delete(MailRecord).where(MailRecord.address == address))


def _end(db: Database, mail_id: int, values: Mapping[str, object]) -> None:
    with db.write() as session:
        session.execute(update(MailRecord).where(MailRecord.id == mail_id).values(text="", next_try_at=None, **values))
