"""Uploads: a `.py` or `.zip` file is checked and unpacked in memory, without importing it.

This module checks sizes and the safety of archives; `submissions.intake.source` checks the Python sources. What people
upload is read by `submissions.intake.upload_reader`, which calls `read_bundle` in a child process with limits; in their
own process only commands that read a local file, and the demo, call it. Since each upload starts such a child, this
module and those that it imports need nothing but the standard library.
"""

import hashlib
import io
import re
import stat
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from submissions.intake.declaration import Declaration, read_declaration
from submissions.intake.imports import check_imports
from submissions.intake.source import BundleError as BundleError
from submissions.intake.source import check_entry, parse
from submissions.intake.unpacked import Unpacked
from submissions.storage.states import Reason

if TYPE_CHECKING:
    from submissions.settings import Settings

ENTRY_FILE = "complexity.py"
MAX_PATH_BYTES = 255
MAX_SOURCE_BYTES = 256 * 2**10  # a hostile source takes up to a thousand times its size to parse
MAX_SOURCES_BYTES = 2**20
CHUNK_BYTES = 64 * 2**10

_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
_CENTRAL_HEADER = b"PK\x01\x02"
_COMPILED = (".so", ".pyd", ".dll", ".dylib")
_IGNORED = frozenset({"__MACOSX", "__pycache__", ".DS_Store"})
_UTF8_FLAG = 0x800
_ENCRYPTED_FLAGS = 0x1 | 0x40
# What the standard library raises, somewhere, for one or the other damaged archive.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OverflowError, OSError, LookupError)


@dataclass(frozen=True)
class BundleLimits:
    """The largest size of an upload, of its unpacked files (bytes), and their number; and further modules to import."""

    upload_bytes: int = 10 * 2**20
    unpacked_bytes: int = 50 * 2**20
    unpacked_files: int = 500
    extra_modules: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: "Settings") -> Self:
        """Return the limits of these settings."""
        return cls(settings.upload_bytes, settings.unpacked_bytes, settings.unpacked_files, settings.extra_modules)


@dataclass(frozen=True, kw_only=True)
class Bundle(Unpacked):
    """A valid upload, unpacked.

    Attributes
    ----------
    content : bytes
        The bytes as uploaded.
    sha256 : str
        Their digest, as 64 hexadecimal digits.
    """

    filename: str
    content: bytes
    sha256: str


def read_bundle(filename: str, content: bytes, limits: BundleLimits) -> Bundle:
    """Check an upload and unpack it. Nothing in it is imported or run.

    Parameters
    ----------
    filename : str
        As the browser sent it; folders before the name are ignored.

    Raises
    ------
    BundleError
        If the upload is not valid.
    """
    name = base_name(filename)
    if not content:
        raise BundleError(f"{name} is empty.")
    if len(content) > limits.upload_bytes:
        raise BundleError(f"{name} is larger than {_size(limits.upload_bytes)}, the most an upload may have.")
    files, declared = _files(name, content, limits)
    return Bundle(
        filename=name,
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        files=MappingProxyType(files),
        track=declared.track,
        needs=declared.needs,
    )


def base_name(filename: str) -> str:
    """Return the last part of a file's name. Raises BundleError if an upload may not have it."""
    name = re.split(r"[/\\]", filename)[-1].strip()
    if not name:
        raise BundleError("The upload has no file name; choose a .py or a .zip file.")
    if not name.isprintable() or len(name.encode(errors="replace")) > MAX_PATH_BYTES:
        raise BundleError("The upload's file name is too long or has control characters; rename the file.")
    return name


def _files(name: str, content: bytes, limits: BundleLimits) -> tuple[dict[str, bytes], Declaration]:
    suffix = name.lower().rpartition(".")[2]
    is_zip = content.startswith(_ZIP_STARTS)
    if suffix == "py" and is_zip:
        raise BundleError(f"{name} is named .py but is a zip archive; rename it to .zip.")
    if suffix == "zip" and not is_zip:
        raise BundleError(f"{name} is named .zip but is not a zip archive.")
    if suffix == "py":
        return {ENTRY_FILE: content}, _checked({name: content}, name, limits)
    if suffix == "zip":
        files = _strip_folder(_unzip(name, content, limits))
        if ENTRY_FILE not in files:
            raise BundleError(
                f"{name} has no {ENTRY_FILE}, neither at its top nor in its only top-level folder.{_near_miss(files)}",
                Reason.MISSING_FUNCTION,
            )
        return files, _checked({path: files[path] for path in files if path.endswith(".py")}, ENTRY_FILE, limits)
    raise BundleError(f"{name} is neither a .py nor a .zip file.")


def _near_miss(files: Mapping[str, bytes]) -> str:
    """Return what was probably meant, where an archive has no entry file; empty if nothing comes near."""
    for path in files:
        if path.lower() == ENTRY_FILE:
            return f" It has {path}: rename it, in small letters."
    below = [path for path in files if path.endswith(f"/{ENTRY_FILE}")]
    if below:
        return f" It has {below[0]}: put the content of that folder at the top."
    archives = [path for path in files if path.lower().endswith(".zip")]
    if archives:
        return f" It holds another archive, {archives[0]}: send that one, or unpack it."
    sources = [path for path in files if path.endswith(".py")]
    if len(sources) == 1:
        return f" Its only Python file is {sources[0]}: rename it, or send it alone."
    return ""


def _checked(sources: Mapping[str, bytes], entry: str, limits: BundleLimits) -> Declaration:
    """Check all sources and return what the measure declares."""
    for path, source in sources.items():
        if len(source) > MAX_SOURCE_BYTES:
            raise BundleError(f"{path} is larger than {_size(MAX_SOURCE_BYTES)}, the most a Python file may have.")
    if sum(map(len, sources.values())) > MAX_SOURCES_BYTES:
        raise BundleError(f"The Python files have more than {_size(MAX_SOURCES_BYTES)} together, the maximum.")
    for path, source in sources.items():
        if path != entry:
            parse(path, source)  # as a check: all trees together could take a gigabyte
    tree = parse(entry, sources[entry])
    declared = read_declaration(entry, tree)
    check_entry(entry, tree, takes_context=declared.track == "extended")
    check_imports(entry, sources, frozenset(limits.extra_modules))
    return declared


def _unzip(name: str, content: bytes, limits: BundleLimits) -> dict[str, bytes]:
    """Return the archive's regular files by path, unpacked to at most the limits whatever its headers declare."""
    # zipfile makes an object per central header, so their number is bounded before it looks. Folders and
    # macOS's shadow files are entries too, hence three for one file.
    if content.count(_CENTRAL_HEADER) > 3 * limits.unpacked_files:
        raise _too_many_files(name, limits)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = _members(name, archive.infolist(), limits)
            return _read_members(name, archive, members, limits)
    except UnicodeDecodeError as error:
        raise BundleError(f"{name} holds a file whose name is not UTF-8; rename it.") from error
    except _DAMAGE as error:
        raise BundleError(f"{name} is damaged and cannot be unpacked; make the archive again.") from error


def _members(name: str, infos: list[zipfile.ZipInfo], limits: BundleLimits) -> dict[str, zipfile.ZipInfo]:
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        path = _safe_path(name, info)
        if info.orig_filename.endswith(("/", "\\")) or not _IGNORED.isdisjoint(path.split("/")):
            continue
        if path.lower().endswith(_COMPILED):
            raise BundleError(
                f"{name} holds {path}, a compiled module; only Python code of a zip can be imported. Rewrite it with "
                "NumPy, SciPy or torch.",
                Reason.IMPORT_ERROR,
            )
        if path in members:
            raise BundleError(f"{name} holds {path} twice.")
        members[path] = info
    folders = {path[: match.start()] for path in members for match in re.finditer("/", path)}
    if clashes := sorted(folders.intersection(members)):
        raise BundleError(f"{name} holds {clashes[0]} both as a file and as a folder.")
    if len(members) > limits.unpacked_files:
        raise _too_many_files(name, limits)
    if sum(info.file_size for info in members.values()) > limits.unpacked_bytes:
        raise _too_large(name, limits)
    return members


def _safe_path(name: str, info: zipfile.ZipInfo) -> str:
    """Return the entry's relative path, without a trailing slash. Raises BundleError unless it is a file or folder."""
    path = _entry_name(name, info)
    if "/" not in path:  # older programs on Windows write their own separator, which the format does not allow
        path = path.replace("\\", "/")
    if not path.isprintable() or not path:
        raise BundleError(f"{name} holds a file whose name is empty or has control characters ({path!a}).")
    if len(path.encode()) > MAX_PATH_BYTES:
        raise BundleError(f"{name} holds a path longer than {MAX_PATH_BYTES} bytes ({path[:40]}…).")
    if "\\" in path or re.match("[A-Za-z]:", path):
        raise BundleError(
            f"{name} holds {path}, a Windows path with a drive letter or mixed separators; make the archive from "
            "inside the measure's folder (in Explorer: select the files, Send to, Compressed folder)."
        )
    if path.startswith("/"):
        raise BundleError(f"{name} holds {path}, an absolute path; only relative paths may be in it.")
    path = path.removesuffix("/")
    if not {"", ".", ".."}.isdisjoint(path.split("/")):
        raise BundleError(f"{name} holds {path}, a path that may leave its folder.")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        raise BundleError(f"{name} holds {path}, a symbolic link; replace it by the file itself.")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BundleError(f"{name} holds {path}, which is neither a file nor a folder.")
    if info.flag_bits & _ENCRYPTED_FLAGS:
        raise BundleError(f"{name} is encrypted ({path}); make it without a password.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # The other methods unpack without a bound, a chunk at a time: 4 kB can become 90 MB.
        raise BundleError(f"{name} packs {path} by an unsupported method; use plain (deflate) compression.")
    return path


def _entry_name(name: str, info: zipfile.ZipInfo) -> str:
    if info.flag_bits & _UTF8_FLAG:
        return info.orig_filename
    try:  # without the flag zipfile decodes cp437, but macOS writes UTF-8 without setting it
        return info.orig_filename.encode("cp437").decode()
    except UnicodeError:
        shown = ascii(info.orig_filename[:40])
        raise BundleError(f"{name} holds a file whose name is not UTF-8 ({shown}); rename it.") from None


def _read_members(
    name: str, archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], limits: BundleLimits
) -> dict[str, bytes]:
    files = {}
    left = limits.unpacked_bytes
    for path, info in members.items():
        unpacked = bytearray()
        with archive.open(info) as file:
            while chunk := file.read(min(CHUNK_BYTES, left + 1)):
                left -= len(chunk)
                if left < 0:
                    raise _too_large(name, limits)
                unpacked += chunk
        if len(unpacked) != info.file_size:
            raise EOFError(path)
        files[path] = bytes(unpacked)
    return files


def _strip_folder(files: Mapping[str, bytes]) -> dict[str, bytes]:
    tops = {path.partition("/")[0] for path in files}
    if len(tops) != 1 or not all("/" in path for path in files):
        return dict(files)
    return {path.partition("/")[2]: content for path, content in files.items()}


def _too_many_files(name: str, limits: BundleLimits) -> BundleError:
    return BundleError(f"{name} holds more than {limits.unpacked_files} files, the most an archive may have.")


def _too_large(name: str, limits: BundleLimits) -> BundleError:
    return BundleError(f"{name} unpacks to more than {_size(limits.unpacked_bytes)}, the maximum.")


def _size(limit_bytes: int) -> str:
    for unit, scale in (("MiB", 2**20), ("KiB", 2**10)):
        if limit_bytes >= scale:
            return f"{limit_bytes / scale:.4g} {unit}"
    return f"{limit_bytes} bytes"
