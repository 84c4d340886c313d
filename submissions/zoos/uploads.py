"""Resumable uploads of zoos: begun, appended to piece by piece, turned into a job, and removed when abandoned.

Called by the organizers' pages and the worker's jobs. The bytes are in `<home>/uploads/<id>`, mode 0600; the record
says how many of them are valid. An upload belongs to the user who began it; nobody else can continue it.
"""

import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.records import JobKind, ZooJobRecord, ZooUploadRecord, utc_now
from submissions.zoos.jobs import add_job

KEPT = timedelta(days=7)
SPARE_BYTES = 256 * 2**20  # stay free on the disk
FILENAME_LENGTH = 200
_SHA256 = re.compile("[0-9a-f]{64}")


class UploadError(Exception):
    """The upload cannot begin or continue; the message is a sentence for the organizer."""


class WrongOffset(UploadError):  # noqa: N818  (an answer: where to go on)
    """The piece does not begin at the end of the last one.

    Attributes
    ----------
    received : int
        Byte at which the next piece must begin.
    """

    def __init__(self, received: int) -> None:
        super().__init__(f"The next piece must begin at byte {received}.")
        self.received = received


class UnknownUpload(UploadError):  # noqa: N818
    """The user has no such upload: it was finished, removed, or never begun."""

    def __init__(self) -> None:
        super().__init__("You have no such unfinished upload. Start again.")


def begin_upload(
    db: Database, settings: Settings, filename: str, size: int, user_id: int, *, head_sha256: str | None = None
) -> str:
    """Begin an upload, or find the unfinished one of the same file.

    Parameters
    ----------
    size : int
        Bytes.
    head_sha256 : str or None, optional
        Of the first piece, which distinguishes files of the same name and size; without it every upload is new.

    Returns
    -------
    str
        The id of the upload.

    Raises
    ------
    UploadError
        If it is too large, or there is not enough disk space.
    """
    filename = Path(filename.replace("\\", "/")).name[-FILENAME_LENGTH:]
    if not 0 < size <= settings.zoo_upload_bytes:
        limit = f"{settings.zoo_upload_bytes / 2**30:.3g} GiB"
        raise UploadError(f"A zoo's archive may have up to {limit} (GENGAP_ZOO_UPLOAD_BYTES) and must not be empty.")
    if head_sha256 is not None and not _SHA256.fullmatch(head_sha256):
        raise UploadError("The digest of the first piece is not a sha256 in lower-case hexadecimal.")
    folder = _folder(settings)
    with db.read() as session:
        known = _begun(session, filename, size, user_id, head_sha256)
    if known is not None and (folder / known).exists():
        return known
    free = shutil.disk_usage(folder).free
    if size + SPARE_BYTES > free:
        raise UploadError(f"The server's disk has no room for it: {free // 2**20} MiB are free.")
    upload_id = secrets.token_urlsafe(32)
    os.close(os.open(folder / upload_id, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    upload = ZooUploadRecord(id=upload_id, filename=filename, bytes=size, user_id=user_id, head_sha256=head_sha256)
    with db.write() as session:
        session.add(upload)
    return upload_id


def _begun(session: Session, filename: str, size: int, user_id: int, head_sha256: str | None) -> str | None:
    if head_sha256 is None:
        return None
    return session.scalar(
        select(ZooUploadRecord.id)
        .where(
            ZooUploadRecord.user_id == user_id,
            ZooUploadRecord.filename == filename,
            ZooUploadRecord.bytes == size,
            ZooUploadRecord.head_sha256 == head_sha256,
            ZooUploadRecord.finished_at.is_(None),
        )
        .order_by(ZooUploadRecord.created_at.desc())
        .limit(1)
    )


def received(session: Session, upload_id: str, user_id: int) -> int:
    """Return how many bytes of an unfinished upload have arrived.

    Raises
    ------
    UnknownUpload
        If this user has no such upload.
    """
    return _unfinished(session, upload_id, user_id).received


def append(db: Database, settings: Settings, upload_id: str, user_id: int, offset: int, piece: bytes) -> int:
    """Append a piece. Simultaneous requests write one after the other.

    Parameters
    ----------
    offset : int
        Byte at which the piece begins.

    Returns
    -------
    int
        The number of bytes that have arrived.

    Raises
    ------
    WrongOffset
        With the right offset.
    UnknownUpload
        If this user has no such upload.
    UploadError
        If the piece is longer than what is missing, or the disk is full.
    """
    path = _path(settings, upload_id)
    with _held(path) as descriptor:
        with db.read() as session:
            upload = _unfinished(session, upload_id, user_id)
        if offset != upload.received:
            raise WrongOffset(upload.received)
        if offset + len(piece) > upload.bytes:
            raise UploadError(f"The upload has {upload.bytes} bytes; this piece would make it longer.")
        try:
            _write_at(descriptor, piece, offset)
        except OSError as error:
            why = f"The piece cannot be stored: {error.strerror}. Free disk space on the server."
            raise UploadError(why) from error
        with db.write() as session:
            session.get_one(ZooUploadRecord, upload_id).received = offset + len(piece)
        return offset + len(piece)


def finish_upload(db: Database, upload_id: str, user_id: int, *, sha256: str | None = None) -> int:
    """Turn a complete upload into a job; if it was done before, return the same job.

    Parameters
    ----------
    sha256 : str or None, optional
        The expected digest, if the sender knows it; the job compares it.

    Returns
    -------
    int
        The id of the job.

    Raises
    ------
    UnknownUpload
        If this user has no such upload.
    WrongOffset
        If bytes are missing.
    """
    if sha256 is not None and not _SHA256.fullmatch(sha256):
        raise UploadError("The digest of the upload is not a sha256 in lower-case hexadecimal.")
    with db.write() as session:
        upload = session.get(ZooUploadRecord, upload_id, with_for_update=True)
        if upload is None or upload.user_id != user_id:
            raise UnknownUpload
        if upload.job_id is not None:
            return upload.job_id
        if upload.received != upload.bytes:
            raise WrongOffset(upload.received)
        upload.sha256, upload.finished_at = sha256, utc_now()
        upload.job_id = add_job(session, JobKind.UPLOAD, {"upload": upload_id, "filename": upload.filename}, user_id)
        return upload.job_id


def uploaded_file(db: Database, settings: Settings, upload_id: str) -> Path:
    """Return the path of a finished upload, for its job.

    Raises
    ------
    UploadError
        If it is missing or not what was sent.
    """
    path = _path(settings, upload_id)
    with db.read() as session:
        upload = session.get(ZooUploadRecord, upload_id)
    if upload is None or upload.finished_at is None or not path.is_file() or path.stat().st_size < upload.bytes:
        raise UploadError("The upload is not on this server any more. Send the zoo again.")
    if upload.sha256 is not None and _sha256_of(path) != upload.sha256:
        raise UploadError("The upload arrived damaged: its sha256 is not the one that was announced. Send it again.")
    return path


def remove_upload(db: Database, settings: Settings, upload_id: str) -> None:
    """Delete an upload and its bytes, after its job has ended or its user has abandoned it."""
    with db.write() as session:
        session.execute(delete(ZooUploadRecord).where(ZooUploadRecord.id == upload_id))
    _path(settings, upload_id).unlink(missing_ok=True)


def sweep_uploads(db: Database, settings: Settings, now: datetime | None = None) -> int:
    """Delete uploads that were not continued for 7 days, those whose job has ended, and bytes without a record.

    Returns
    -------
    int
        The number of deleted uploads.
    """
    moment = now or utc_now()
    folder = _folder(settings)
    with db.read() as session:
        uploads = select(ZooUploadRecord, ZooJobRecord.state)
        known = session.execute(uploads.outerjoin(ZooJobRecord, ZooJobRecord.id == ZooUploadRecord.job_id)).all()
    left = [
        upload.id
        for upload, state in known
        if (upload.finished_at is None and _touched(folder / upload.id, upload.created_at) < moment - KEPT)
        or (state is not None and state.is_final)
    ]
    for upload_id in left:
        remove_upload(db, settings, upload_id)
    recorded = {upload.id for upload, _ in known}
    for path in folder.iterdir():
        if path.name not in recorded and _touched(path, moment) < moment - KEPT:
            path.unlink(missing_ok=True)
    return len(left)


def _touched(path: Path, otherwise: datetime) -> datetime:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, tz=otherwise.tzinfo)
    except FileNotFoundError:
        return otherwise


def _unfinished(session: Session, upload_id: str, user_id: int) -> ZooUploadRecord:
    upload = session.get(ZooUploadRecord, upload_id)
    if upload is None or upload.user_id != user_id or upload.finished_at is not None:
        raise UnknownUpload
    return upload


def _folder(settings: Settings) -> Path:
    settings.make_home()
    folder = settings.home / "uploads"
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder


def _path(settings: Settings, upload_id: str) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9_-]{20,64}", upload_id):  # an id of ours; never a path
        raise UnknownUpload
    return _folder(settings) / upload_id


@contextmanager
def _held(path: Path) -> Iterator[int]:
    """Return a descriptor of the upload's file, locked against simultaneous appends."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        raise UnknownUpload from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _write_at(descriptor: int, piece: bytes, offset: int) -> None:
    rest = memoryview(piece)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        if written == 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        rest, offset = rest[written:], offset + written


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
