"""Which files of this machine a measure needs: Python, the libraries that it may import, what these link to.

Everything else stays out of the sandbox: other programs below /usr/lib, the server's own packages, and the names of all
of them. Called by `bubblewrap`, which mounts these files; the image of `docker` is made of the same packages.
"""

import importlib.metadata
import os
import re
import struct
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DISTRIBUTIONS = ("torch", "numpy", "scipy", "scikit-learn", "safetensors")  # as in the Dockerfile's build-libraries
PACKAGES = Path(f"/gengap/environment/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages")  # inside
LOADED_LATER = ("libgcc_s.so.1",)  # by the C library, when a thread is cancelled
_USUAL_FOLDERS = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")
_C_LIBRARY = "libc.so.6"
_IS_BINARY = re.compile(r"(^|/)(?!_tkinter)[^/]*\.so(\.[0-9.]+)?$")  # nobody sees a window
_ELF = b"\x7fELF"
_SEGMENT_LOAD, _SEGMENT_DYNAMIC, _SEGMENT_INTERPRETER = 1, 2, 3
_NEEDED, _STRINGS, _RPATH, _RUNPATH = 1, 5, 15, 29


@dataclass(frozen=True)
class Visible:
    """What a sandbox shows.

    Attributes
    ----------
    interpreter : Path
        Python's executable, at the same place inside.
    emptied : tuple of Path
        Folders within the `shown` ones whose content is not shown.
    shown : tuple of (Path, Path)
        Files and folders of this machine, each with its place inside. Packages are below `PACKAGES` there: the folder
        in which they are installed may lie below /tmp, and its path tells of this machine.
    """

    interpreter: Path
    emptied: tuple[Path, ...]
    shown: tuple[tuple[Path, Path], ...]


@cache
def visible_files() -> Visible:
    """Find the files that a zygote and measures need. The result is kept, since this takes a part of a second."""
    interpreter = Path(sys.executable).resolve()
    base = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}  # not those of a virtual environment
    standard = dict.fromkeys(Path(sysconfig.get_path(name, vars=base)).resolve() for name in ("stdlib", "platstdlib"))
    shown = [(path, path) for path in (interpreter, *standard)]
    binaries = [interpreter, *(path for folder in standard for path in _binaries_in(folder / "lib-dynload"))]
    for package in _packages():
        shown += ((path, PACKAGES / path.name) for path in package.tops)
        binaries += package.binaries
    shown += _Linked([path for path, _ in shown]).of(binaries)
    emptied = (folder / name for folder in standard for name in ("site-packages", "dist-packages"))
    return Visible(interpreter, tuple(path for path in emptied if path.is_dir()), tuple(dict.fromkeys(shown)))


@dataclass(frozen=True)
class _Package:
    """An installed distribution: the files and folders that it is made of, and the binaries in them."""

    tops: list[Path]
    binaries: list[Path]


def _packages() -> Iterator[_Package]:
    """Yield the distributions that a measure may import, with all that these require."""
    waiting, seen = list(DISTRIBUTIONS), set[str]()
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another system or Python, or not needed by ours
        waiting += (
            re.split(r"[^A-Za-z0-9._-]", wanted, maxsplit=1)[0]
            for wanted in found.requires or ()
            if not re.search(r"\bextra\s*==", wanted)
        )
        yield _package(found, name)


def _package(found: importlib.metadata.Distribution, name: str) -> _Package:
    """Read the list of a distribution's files: looking for binaries in the folders themselves would take a second."""
    folder = Path(str(found.locate_file("")))
    record = found.read_text("RECORD")
    if record is None:  # a system's own package
        names = (found.read_text("top_level.txt") or name.replace("-", "_")).split()
        tops = [path for one in names for path in (folder / one, folder / f"{one}.py") if path.exists()]
        return _Package(tops, [binary for path in tops for binary in _binaries_in(path)])
    files = [line.rpartition(",")[0].rpartition(",")[0].strip('"') for line in record.splitlines()]
    parts = {file.partition("/")[0] for file in files} - {"", "..", "__pycache__"}
    binaries = [folder / file for file in files if _IS_BINARY.search(file)]
    return _Package([path for path in (folder / top for top in sorted(parts)) if path.exists()], binaries)


def _binaries_in(folder: Path) -> Iterator[Path]:
    for above, _, names in os.walk(folder):
        yield from (Path(above, name) for name in names if _IS_BINARY.search(name))


class _Linked:
    """Follows what executables and libraries link to, as the dynamic loader would.

    shown: the files and folders that are visible inside anyway.
    """

    def __init__(self, shown: list[Path]) -> None:
        self._shown = tuple(f"{path}/" for path in shown)
        self._found: dict[str, Path | None] = {}
        self._machine = 0

    def of(self, binaries: list[Path]) -> Iterator[tuple[Path, Path]]:
        """Yield the files that these binaries link to, and those that they link to in turn, with their places inside.

        A system's library appears in the folder of the C library, where every loader looks: the cache of the loader,
        which names every library of the machine, is not needed then.
        """
        self._machine = _read(binaries[0]).machine
        c_library = self._of_system(_C_LIBRARY)
        folder = Path("/usr/lib") if c_library is None else c_library.parent.resolve()
        later = [(path, name) for name in LOADED_LATER if (path := self._of_system(name)) is not None]
        yield from ((path.resolve(), folder / name) for path, name in later)
        waiting, seen = [*binaries, *(path for path, _ in later)], set[Path]()
        while waiting:
            binary = waiting.pop()
            if binary in seen:
                continue
            seen.add(binary)
            links = _read(binary)
            if links.machine != self._machine:
                continue
            if links.loader is not None and links.loader.exists():
                yield links.loader.resolve(), links.loader
            for name in links.needed:
                beside = next((path for path in (place / name for place in links.folders) if path.exists()), None)
                if beside is not None:
                    waiting.append(beside)
                    if not os.path.normpath(beside).startswith(self._shown):
                        yield beside.resolve(), beside
                elif (target := self._of_system(name)) is not None:  # else of a processor that is not here
                    waiting.append(target)
                    yield target.resolve(), folder / name

    def _of_system(self, name: str) -> Path | None:
        if name not in self._found:
            places = (folder / name for folder in _loader_folders())
            self._found[name] = next((path for path in places if self._fits(path)), None)
        return self._found[name]

    def _fits(self, path: Path) -> bool:
        return path.is_file() and _read(path).machine == self._machine


@dataclass(frozen=True)
class _Links:
    """What a binary says to the dynamic loader; a machine of 0: the file is none."""

    machine: int = 0
    loader: Path | None = None
    needed: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()


@cache
def _loader_folders() -> tuple[Path, ...]:
    """Where the dynamic loader looks for libraries, after what binaries say themselves."""
    return tuple(map(Path, dict.fromkeys((*_configured(Path("/etc/ld.so.conf")), *_USUAL_FOLDERS))))


def _configured(file: Path) -> Iterator[str]:
    if not file.is_file():
        return
    for line in file.read_text(errors="replace").splitlines():
        word, _, rest = line.partition("#")[0].strip().partition(" ")
        if word == "include":
            pattern = Path("/etc", rest.strip())
            for included in sorted(pattern.parent.glob(pattern.name)):
                yield from _configured(included)
        elif word:
            yield word


@cache
def _read(path: Path) -> _Links:
    """Read the dynamic section of a 64-bit binary. Whatever is no such file links to nothing."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
            if head[:4] != _ELF or head[4] != 2 or head[5] != (1 if sys.byteorder == "little" else 2):
                return _Links()
            (machine,), (offset,), (size, count) = (
                struct.unpack_from(form, head, at) for form, at in (("=H", 18), ("=Q", 32), ("=HH", 54))
            )
            file.seek(offset)
            table = file.read(size * count)
            segments = [struct.unpack_from("=II6Q", table, size * index) for index in range(count)]
            loader, entries = None, list[tuple[int, int]]()
            for kind, _flags, start, _address, _physical, length, *_ in segments:
                file.seek(start)
                if kind == _SEGMENT_INTERPRETER:
                    loader = Path(file.read(length).rstrip(b"\0").decode())
                elif kind == _SEGMENT_DYNAMIC:
                    entries = list(struct.iter_unpack("=QQ", file.read(length - length % 16)))
            strings = next((value for tag, value in entries if tag == _STRINGS), None)
            if strings is None:
                return _Links(machine, loader)
            begin = next(
                start + strings - address
                for kind, _flags, start, address, _physical, length, *_ in segments
                if kind == _SEGMENT_LOAD and address <= strings < address + length
            )

            def text(at: int) -> str:
                file.seek(begin + at)
                return file.read(4096).partition(b"\0")[0].decode(errors="replace")

            needed = tuple(text(value) for tag, value in entries if tag == _NEEDED)
            paths = [text(value) for tag, value in entries if tag in (_RPATH, _RUNPATH)]
    except (OSError, struct.error, StopIteration):
        return _Links()
    origin = str(path.resolve().parent)
    folders = (re.sub(r"\$ORIGIN|\$\{ORIGIN\}", origin, one) for all_ in paths for one in all_.split(":") if one)
    return _Links(machine, loader, needed, tuple(map(Path, folders)))
