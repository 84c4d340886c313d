"""The random id of an installation: it separates installations that share a Redis server."""

import secrets

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from submissions.storage.database import Database
from submissions.storage.records import InstallationRecord

_ONLY = 1


def installation_id(db: Database) -> str:
    """Return the id of the installation whose database this is; the first call makes it. It is no secret."""
    known = select(InstallationRecord.key).where(InstallationRecord.id == _ONLY)
    with db.read() as session:
        found = session.scalar(known)
    if found is not None:
        return found
    made = secrets.token_hex(8)
    try:
        with db.write() as session:
            session.add(InstallationRecord(id=_ONLY, key=made))
    except IntegrityError:  # another process was faster
        with db.read() as session:
            return session.scalars(known).one()
    return made
