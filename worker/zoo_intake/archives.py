"""Unpacks a zoo from a zip or tar archive to disk, piece by piece, and only files that a zoo can consist of.

The job of an upload calls `unpack_zoo`. Archives are not trusted: no links, no paths outside the folder, no more bytes
or files than the limits whatever the headers say, and never more memory than one piece takes.
"""

import gzip
import io
import os
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from model_zoo.manifest import MANIFEST

PIECE_BYTES = 2**20
MAX_PATH_BYTES = 255
MAX_DIRECTORY_BYTES = 64 * 2**20  # of a zip: zipfile makes an object of every entry in it
NEVER_A_BOMB_BYTES = 64 * 2**20

_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
_GZIP_START = b"\x1f\x8b"
_TAR_MAGIC_AT, _TAR_MAGIC = 257, b"ustar"
_END_RECORD, _END_BYTES = b"PK\x05\x06", 22
_LOCATOR, _LOCATOR_BYTES, _ZIP64_RECORD = b"PK\x06\x07", 20, b"PK\x06\x06"
_UNKNOWN = 0xFFFFFFFF
_ENCRYPTED_FLAGS = 0x1 | 0x40
_IGNORED = frozenset({"__MACOSX", "__pycache__", ".DS_Store"})
# What the standard library raises for damaged archives.
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    struct.error,
    EOFError,
    RuntimeError,
    ValueError,
    OverflowError,
    LookupError,
    gzip.BadGzipFile,
)

Watch = Callable[[int, int, str], None]


class ArchiveError(Exception):
    """The archive cannot be unpacked, or contains no zoo; the text is for the organizer who sent it."""


@dataclass(frozen=True)
class ArchiveLimits:
    """Limits for unpacking. ratio: unpacked bytes per packed byte; spare_bytes: disk space that must stay free."""

    unpacked_bytes: int
    files: int = 200_000
    ratio: int = 100
    spare_bytes: int = 256 * 2**20


@dataclass(frozen=True)
class _Member:
    """One regular file of an archive: its path, its declared size, and its content, to be read now."""

    path: str
    size: int
    source: IO[bytes]


def unpack_zoo(archive: Path, filename: str, into: Path, limits: ArchiveLimits, watch: Watch) -> Path:
    """Unpack an archive below `into` (made here); return the zoo's folder: `into`, or the only folder at its top.

    filename: the archive's name, for messages. watch: called with the bytes written and the archive's size in bytes.
    Raises ArchiveError; the caller removes what was written by then.
    """
    into.mkdir(parents=True, mode=0o700)
    packed = archive.stat().st_size
    limit = min(limits.unpacked_bytes, max(NEVER_A_BOMB_BYTES, limits.ratio * packed))
    written = files = 0
    try:
        with _members(archive, filename) as members:
            for member in members:
                path = _safe_path(member.path, filename)
                if not _IGNORED.isdisjoint(path.split("/")):
                    continue
                files += 1
                if files > limits.files:
                    raise ArchiveError(f"{filename} holds more than {limits.files} files, more than any zoo.")
                if written + member.size > limit:
                    raise _too_large(filename, limit)
                _need_room(into, member.size, limits.spare_bytes)
                with _create(into, path, filename) as target:
                    while piece := member.source.read(PIECE_BYTES):
                        written += len(piece)
                        if written > limit:
                            raise _too_large(filename, limit)
                        target.write(piece)
                        watch(written, max(written, packed), "unpacking")
                    if target.tell() != member.size:
                        raise EOFError(path)
                os.utime(into / path, (0, 0))  # a time without meaning, as in the store
    except UnicodeDecodeError as error:
        raise ArchiveError(f"{filename} holds a file whose name is not UTF-8; rename it.") from error
    except _DAMAGE as error:
        raise ArchiveError(f"{filename} is damaged and cannot be unpacked; make the archive again.") from error
    except OSError as error:
        raise ArchiveError(f"{filename} cannot be unpacked here: {error.strerror or error}.") from error
    return _zoo_in(into, filename)


def _zoo_in(folder: Path, filename: str) -> Path:
    tops = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    found = [top for top in tops if (top / MANIFEST).is_file()]
    if not found:
        raise ArchiveError(f"{filename} holds no {MANIFEST}, neither at its top nor in a folder there: it is no zoo.")
    if len(found) > 1:
        raise ArchiveError(f"{filename} holds {len(found)} zoos; pack each in an archive of its own.")
    return found[0]


@contextmanager
def _members(archive: Path, filename: str) -> Iterator[Iterator[_Member]]:
    with archive.open("rb") as file:
        start = file.read(512)
        file.seek(0)
        if start.startswith(_ZIP_STARTS):
            if _directory_bytes(file) > MAX_DIRECTORY_BYTES:
                raise ArchiveError(f"{filename} lists too many files; no zoo has as many.")
            with zipfile.ZipFile(file) as zipped:
                yield _zip_members(zipped, filename)
        elif start.startswith(_GZIP_START) or start[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC):
            plain = gzip.GzipFile(fileobj=file) if start.startswith(_GZIP_START) else file
            with closing(plain), closing(_open_tar(plain, filename)) as tar:
                yield _tar_members(tar, filename)
        else:
            raise ArchiveError(f"{filename} is neither a zip nor a tar nor a tar.gz archive.")


def _directory_bytes(file: IO[bytes]) -> int:
    """Return the declared size of a zip's central directory, before zipfile reads it whole into memory."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END_BYTES - 0xFFFF))
    tail = file.read()
    at = tail.rfind(_END_RECORD)
    if at < 0 or at + _END_BYTES > len(tail):
        raise zipfile.BadZipFile("no end record")
    declared: int = struct.unpack_from("<I", tail, at + 12)[0]
    locator = at - _LOCATOR_BYTES
    if locator >= 0 and tail.startswith(_LOCATOR, locator):
        file.seek(struct.unpack_from("<Q", tail, locator + 8)[0])
        record = file.read(56)
        if record.startswith(_ZIP64_RECORD):
            declared = struct.unpack_from("<Q", record, 40)[0]
    elif declared == _UNKNOWN:
        raise zipfile.BadZipFile("no zip64 record")
    return declared


def _zip_members(zipped: zipfile.ZipFile, filename: str) -> Iterator[_Member]:
    for info in zipped.infolist():
        if info.is_dir():
            continue
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind == stat.S_IFLNK:
            raise ArchiveError(f"{filename} holds {_shown(info.filename)}, a link; replace it by the file itself.")
        if kind not in (0, stat.S_IFREG):
            raise ArchiveError(f"{filename} holds {_shown(info.filename)}, which is neither a file nor a folder.")
        if info.flag_bits & _ENCRYPTED_FLAGS:
            raise ArchiveError(f"{filename} is encrypted; make it without a password.")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # The other methods unpack without a bound, a piece at a time: 4 kB can become 90 MB.
            raise ArchiveError(f"{filename} is packed by an unsupported method; use plain (deflate) compression.")
        with zipped.open(info) as source:
            yield _Member(info.filename, info.file_size, source)


class _InPieces(io.BufferedIOBase):
    """A file that is read in small pieces only: tarfile would read a header of any declared length at once."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile) -> None:
        self._file = file

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= PIECE_BYTES:
            raise tarfile.ReadError("a header that no tar has")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _open_tar(file: IO[bytes] | gzip.GzipFile, filename: str) -> tarfile.TarFile:
    try:
        return tarfile.TarFile(fileobj=_InPieces(file), mode="r")
    except tarfile.ReadError as error:
        raise ArchiveError(f"{filename} is not a tar archive, or is damaged; make it again.") from error


def _tar_members(tar: tarfile.TarFile, filename: str) -> Iterator[_Member]:
    while (info := tar.next()) is not None:
        if info.isdir():
            continue
        if info.issym() or info.islnk():
            raise ArchiveError(f"{filename} holds {_shown(info.name)}, a link; pack the file itself (tar -h).")
        if not info.isreg() or info.sparse is not None:
            raise ArchiveError(f"{filename} holds {_shown(info.name)}, which is not a plain file.")
        if info.size < 0:
            raise tarfile.ReadError("a negative size")
        source = tar.extractfile(info)
        assert source is not None
        yield _Member(info.name.removeprefix("./"), info.size, source)


def _safe_path(path: str, filename: str) -> str:
    """Return the member's relative path. Raises ArchiveError for one that no zoo has or that may leave its folder."""
    if not path or not path.isprintable() or len(path.encode(errors="replace")) > MAX_PATH_BYTES:
        raise ArchiveError(f"{filename} holds a file whose name is empty, too long or not printable ({_shown(path)}).")
    is_outside = path.startswith("/") or "\\" in path or re.match("[A-Za-z]:", path) is not None
    if is_outside or not {"", ".", ".."}.isdisjoint(path.split("/")):
        raise ArchiveError(f"{filename} holds {_shown(path)}, a path that may leave its folder.")
    return path


def _create(into: Path, path: str, filename: str) -> IO[bytes]:
    target = into / path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return target.open("xb")
    except (FileExistsError, NotADirectoryError) as error:
        raise ArchiveError(f"{filename} holds {_shown(path)} twice.") from error


def _need_room(folder: Path, size: int, spare: int) -> None:
    free = shutil.disk_usage(folder).free
    if size + spare > free:
        raise ArchiveError(
            f"The disk of the server is full: {free // 2**20} MiB are free, and {size // 2**20} MiB are needed "
            "for the next file. Free space in the server's home folder, then add the zoo again."
        )


def _too_large(filename: str, limit: int) -> ArchiveError:
    return ArchiveError(f"{filename} unpacks to more than {limit // 2**20} MiB, the maximum.")


def _shown(path: str) -> str:
    text = path if path.isprintable() else ascii(path)
    return text if len(text) <= 80 else f"{text[:79]}…"
