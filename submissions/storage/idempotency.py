"""Idempotency keys: a creating request that is sent twice has one effect, and both get the same answer.

The first request reserves its key before it does anything; its answer is kept for a day and given to every repetition.
A submission is also noted in the transaction that makes it, so that even a process that dies in between leaves no
second one. Called by `server.http.idempotency`; workers remove what has expired.
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Delete, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from submissions.storage.database import Database
from submissions.storage.queries import rows_changed
from submissions.storage.records import IdempotencyRecord, utc_now

KEPT = timedelta(days=1)
WAIT_S = 5.0  # for the answer of the same request, sent a moment ago
_PAUSE_S = 0.05


@dataclass(frozen=True)
class Answer:
    """The answer of a request. location, body: None if it has none, or it is not kept."""

    status: int
    location: str | None = None
    body: str | None = None


class KeyReused(Exception):  # noqa: N818  (a refusal is an answer, not a malfunction)
    """The key belongs to another request."""


class Unanswered(Exception):  # noqa: N818  (it may still get its answer)
    """The first request with this key has no answer: it is still carried out, or was interrupted."""


def begin(
    db: Database,
    key_sha256: str,
    request_sha256: str,
    *,
    user_id: int | None,
    can_resume: bool = False,
    wait_s: float | None = None,
) -> Answer | None:
    """Reserve a key, or return the answer of the request that did so before.

    Parameters
    ----------
    key_sha256 : str
        Digest of the key and its owner.
    request_sha256 : str
        Digest of what is requested.
    can_resume : bool, optional
        Whether the request may be carried out although an earlier one has no answer, because `made` tells what that
        one has made.
    wait_s : float or None, optional
        How long to wait for the answer of an earlier request, in seconds; default: `WAIT_S`.

    Returns
    -------
    Answer or None
        None if the request is to be carried out, and then ends with `keep` or `release`.

    Raises
    ------
    KeyReused
        If the key belongs to another request.
    Unanswered
        If an earlier request has no answer yet, and gets none in that time.
    """
    deadline = time.monotonic() + (WAIT_S if wait_s is None else wait_s)
    while not _reserve(db, key_sha256, request_sha256, user_id):
        found = _found(db, key_sha256)
        while found is not None:
            if found.request_sha256 != request_sha256:
                raise KeyReused
            if found.status is not None:
                return Answer(found.status, found.location, found.body)
            if time.monotonic() >= deadline:
                break
            time.sleep(_PAUSE_S)
            found = _found(db, key_sha256)
        if time.monotonic() >= deadline:
            if can_resume:
                return None
            raise Unanswered
    return None


def keep(db: Database, key_sha256: str, answer: Answer) -> None:
    """Keep the answer of a request for its repetitions."""
    with db.write() as session:
        session.execute(
            update(IdempotencyRecord).where(IdempotencyRecord.key_sha256 == key_sha256).values(**vars(answer))
        )


def release(db: Database, key_sha256: str) -> None:
    """Free the key of a request that was refused, and so has made nothing."""
    with db.write() as session:
        session.execute(
            delete(IdempotencyRecord).where(
                IdempotencyRecord.key_sha256 == key_sha256,
                IdempotencyRecord.status.is_(None),
                IdempotencyRecord.made_id.is_(None),
            )
        )


def made(session: Session, key_sha256: str) -> int | None:
    """Return the id of the submission that an earlier request with this key has made, and lock the key."""
    query = select(IdempotencyRecord.made_id).where(IdempotencyRecord.key_sha256 == key_sha256)
    return session.scalar(query.with_for_update())


def note_made(session: Session, key_sha256: str, submission_id: int) -> None:
    """Note the submission that the request with this key makes, in the transaction that makes it."""
    session.execute(
        update(IdempotencyRecord).where(IdempotencyRecord.key_sha256 == key_sha256).values(made_id=submission_id)
    )


def sweep(db: Database, now: datetime | None = None) -> int:
    """Remove keys that are older than `KEPT`; return how many."""
    with db.write() as session:
        return rows_changed(session, _expired(now))


def _expired(now: datetime | None = None) -> Delete:
    return delete(IdempotencyRecord).where(IdempotencyRecord.created_at < (now or utc_now()) - KEPT)


def _reserve(db: Database, key_sha256: str, request_sha256: str, user_id: int | None) -> bool:
    try:
        with db.write() as session:
            session.execute(_expired().where(IdempotencyRecord.key_sha256 == key_sha256))
            session.add(IdempotencyRecord(key_sha256=key_sha256, request_sha256=request_sha256, user_id=user_id))
    except IntegrityError:
        return False
    return True


def _found(db: Database, key_sha256: str) -> IdempotencyRecord | None:
    with db.read() as session:
        return session.get(IdempotencyRecord, key_sha256)
