"""The zoo store in a local folder, `file:///path` or a plain path.

An object is a file, written under another name beside its place and then renamed; it is read-only from then on.
"""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model_zoo.manifest import FileDigest
from model_zoo.store.objects import BROUGHT, FIXED_TIME, WRITTEN, changed, naming
from model_zoo.zoo import PIECE_BYTES, copy_of, sha256_of

_UNFINISHED = ".unfinished-"
_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS)


SETTINGS = "GENGAP_STORE_URL, or GENGAP_HOME where that is empty; the folder must be writable for this user"


def connect(url: str, _endpoint: str) -> "FolderObjects":
    """Return the objects in the folder that the URL names. Nothing is made yet."""
    return FolderObjects(Path(url.removeprefix("file://")))


class FolderObjects:
    """Objects as files of a folder. Folder and files are readable by their owner alone: zoos hold truths."""

    parallel = 2

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def is_made_later(self) -> bool:
        """Whether the folder does not exist yet. If so, check that it could be made."""
        if self._folder.exists():
            return False
        existing = next(parent for parent in self._folder.absolute().parents if os.access(parent, os.F_OK))
        with naming(str(self._folder), "made"), tempfile.TemporaryFile(dir=existing):
            return True

    def address(self, name: str) -> str:
        """Return the object's path."""
        return str(self._folder / name)

    def holds(self, name: str, digest: FileDigest) -> bool:
        """Read and compare the file, so that a damaged one is written again."""
        path = self._folder / name
        try:
            return path.stat().st_size == digest.bytes and sha256_of(path) == digest.sha256
        except FileNotFoundError:
            return False
        except OSError:  # an unreadable disk block: writing it anew may mend it, and says more if not
            return False

    def keep_file(self, name: str, source: Path, digest: FileDigest) -> None:
        """Copy to a temporary file, compare the digest, and rename."""
        with self._new(self._folder / name) as unfinished, unfinished.open("wb") as writer:
            if copy_of(source, writer).sha256 != digest.sha256:
                raise changed(source)

    def settle(self, names: list[str]) -> None:
        """Call fsync on the files and their folders."""
        with naming(str(self._folder), WRITTEN):
            paths = [self._folder / name for name in names]
            folders = {parent for path in paths for parent in (path.parent, path.parent.parent)}
            for path in (*paths, *folders, self._folder):
                _sync(path)

    def keep(self, name: str, content: bytes) -> None:
        """Write to a temporary file, call fsync, and rename."""
        path = self._folder / name
        with self._new(path) as unfinished:
            unfinished.write_bytes(content)
            _sync(unfinished)
        with naming(str(path), WRITTEN):
            _sync(path.parent)

    def read(self, name: str) -> bytes:
        """Read the file."""
        path = self._folder / name
        with naming(str(path), "read"):
            return path.read_bytes()

    def link(self, name: str, target: Path) -> bool:
        """Make a hard link, where file system and limits allow it."""
        path = self._folder / name
        with naming(str(path), "linked"):
            try:
                target.hardlink_to(path)
            except OSError as error:
                if error.errno not in _NO_LINK:
                    raise
                return False
            return True

    def bring(self, name: str, target: Path) -> None:
        """Copy the file."""
        path = self._folder / name
        with naming(str(path), BROUGHT), path.open("rb") as reader, target.open("xb") as writer:
            shutil.copyfileobj(reader, writer, PIECE_BYTES)

    def names(self, prefix: str) -> list[str]:
        """List the files below the prefix, without unfinished ones."""
        with naming(self.address(prefix), "listed"):
            return sorted(
                path.relative_to(self._folder).as_posix()
                for path in (self._folder / prefix).rglob("*")
                if path.is_file() and not path.name.startswith(_UNFINISHED)
            )

    def remove(self, name: str) -> None:
        """Remove the file if it exists."""
        with naming(self.address(name), "removed"):
            (self._folder / name).unlink(missing_ok=True)

    @contextmanager
    def _new(self, path: Path) -> Iterator[Path]:
        """Make a file beside `path`, which takes its place when the block ends, and is removed if the block raises."""
        with naming(str(path), WRITTEN):
            for folder in (self._folder, path.parent):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=_UNFINISHED)
            os.close(descriptor)
            unfinished = Path(name)
            try:
                yield unfinished
                unfinished.chmod(0o444)
                os.utime(unfinished, (FIXED_TIME, FIXED_TIME))
                unfinished.replace(path)
            finally:
                unfinished.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
