"""The bundle store: a folder of uploads named by their sha256, each with its unpacked form beside it.

The web process writes them, workers read them.
"""

import hashlib
import os
import re
import tempfile
from pathlib import Path

_DIGEST = re.compile("[0-9a-f]{64}")
_UNPACKED = ".unpacked"


class StoreError(Exception):
    """The store cannot return what was requested, or cannot store what it was given."""


class BundleStore:
    """A content-addressed store: storing the same content twice keeps one file; files never change.

    A file is `<first two digits>/<sha256>`, mode 0600, and its unpacked form `<sha256>.unpacked` in the same folder; if
    that is missing or damaged it is made again from the upload. Several processes can use the store at the same time.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, content: bytes) -> str:
        """Store `content` and return its sha256 once it is safely on disk.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        digest = hashlib.sha256(content).hexdigest()
        _put(self._path(digest), content)
        return digest

    def put_unpacked(self, digest: str, content: bytes) -> None:
        """Store the unpacked form of an upload (see `submissions.intake.unpacked`). Raises StoreError."""
        _put(self._path(digest, _UNPACKED), content)

    def get_unpacked(self, digest: str) -> bytes | None:
        """Return the unpacked form of an upload, None if there is none. It may be damaged."""
        try:
            return self._path(digest, _UNPACKED).read_bytes()
        except OSError:
            return None

    def get(self, digest: str) -> bytes:
        """Return the content with this sha256.

        Raises
        ------
        StoreError
            If it is missing or damaged.
        """
        path = self._path(digest)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise StoreError(f"The stored upload {path} cannot be read: {error}. Restore it from a backup.") from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise StoreError(f"The stored upload {path} is damaged: its sha256 differs. Restore it from a backup.")
        return content

    def _path(self, digest: str, suffix: str = "") -> Path:
        if not _DIGEST.fullmatch(digest):
            raise StoreError(f"{digest!r} is not a sha256 in lower-case hexadecimal.")
        return self.folder / digest[:2] / f"{digest}{suffix}"


def _put(path: Path, content: bytes) -> None:
    try:
        if not _holds(path, content):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write_atomically(path, content)
    except OSError as error:
        raise StoreError(f"The upload could not be stored at {path}: {error}. Check space and rights.") from error


def _holds(path: Path, content: bytes) -> bool:
    """Check whether the file exists and is intact; a damaged one is written again."""
    try:
        return path.read_bytes() == content
    except FileNotFoundError:
        return False


def _write_atomically(path: Path, content: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    for folder in (path.parent, path.parent.parent):
        _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    """Make the folder's new names survive a power failure, which fsync of a file does not."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
