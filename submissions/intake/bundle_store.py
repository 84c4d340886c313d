"""The bundle store: a folder of uploads named by their sha256, each with its unpacked form beside it.

The web process writes them, workers read them.
"""

import hashlib
import os
import re
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path

from submissions.whole_files import PART, sync_folder, write_whole

FOLDERS = 256
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

    def remove_unused(self, number: int, used: Callable[[Sequence[str]], Collection[str]], before: datetime) -> int:
        """Remove files of one of the folders that were not stored since `before` and are not in use.

        Parameters
        ----------
        number : int
            Of the folder, below `FOLDERS`.
        used : callable
            Returns which of these digests are in use.

        Returns
        -------
        int
            How many files were removed.
        """
        folder, oldest = self.folder / f"{number:02x}", before.timestamp()
        listed = [path.name for path in folder.glob("*") if _DIGEST.fullmatch(path.name)]
        old = [name for name in listed if _is_older(folder / name, oldest)]
        unused = sorted(set(old) - set(used(old)))
        for name in unused:
            gone = folder / f"{PART}{name}"
            try:
                (folder / name).replace(gone)
                if _is_older(gone, oldest):
                    gone.unlink()
                    (folder / f"{name}{_UNPACKED}").unlink(missing_ok=True)
                else:  # stored once more meanwhile: it is about to be used
                    gone.replace(folder / name)
            except FileNotFoundError:  # another worker was faster
                continue
        return len(unused)

    def _path(self, digest: str, suffix: str = "") -> Path:
        if not _DIGEST.fullmatch(digest):
            raise StoreError(f"{digest!r} is not a sha256 in lower-case hexadecimal.")
        return self.folder / digest[:2] / f"{digest}{suffix}"


def _put(path: Path, content: bytes) -> None:
    try:
        if not _holds(path, content):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(path, content)
            sync_folder(path.parent.parent)
    except OSError as error:
        raise StoreError(f"The upload could not be stored at {path}: {error}. Check space and rights.") from error


def _holds(path: Path, content: bytes) -> bool:
    """Check whether the file exists and is intact, and note that it was stored now; a damaged one is written again."""
    try:
        if path.read_bytes() != content:
            return False
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def _is_older(path: Path, moment: float) -> bool:
    try:
        return path.stat().st_mtime <= moment
    except FileNotFoundError:
        return False
