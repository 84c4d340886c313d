"""A machine's cache of zoo files: filled atomically, verified by sha256, bounded, shared by all of its processes.

`zoo_store` fills it and reads from it. A zoo's folder in the cache looks like any zoo folder, with files missing until
they are fetched. Processes are coordinated by file locks (flock), which end with the process that holds them:
- a shared lock on a file means that it is in use; one on a zoo's `whole` lock means that all of its files are;
- removing a file takes an exclusive lock without waiting, so a file in use is never removed;
- filling a file takes one of a fixed number of locks, chosen by the content, and writes to the part file of that
  number; the next holder removes what a killed process left there.
"""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from model_zoo.manifest import MANIFEST, NETWORKS, TRUTH
from model_zoo.store.objects import DISK_FULL, FIXED_TIME, Objects, ZooStoreError
from model_zoo.zoo import sha256_of

JSON_FILES = (MANIFEST, NETWORKS, TRUTH)
_LOCKS, _PARTS = ".locks", ".parts"
_STRIPES = 64
_TRIES = 5
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """One file of a zoo that is to be in the cache.

    Attributes
    ----------
    zoo : str
        sha256 of the zoo's zoo.json.
    name : str
        Path of the file inside the zoo.
    sha256 : str
    bytes : int or None
        Size; None where only the sha256 is known, as for zoo.json.
    stored : str
        Name of the object that has its content.
    """

    zoo: str
    name: str
    sha256: str
    bytes: int | None
    stored: str


class ZooCache:
    """A cache of a store's `objects` in one folder, at most about `limit_bytes` large.

    Hard links to a local store take no space and do not count, nor do the JSON files, which stay. Files in use are
    never removed: if they exceed the limit, the cache is larger for a while and logs a warning.
    """

    def __init__(self, folder: Path, limit_bytes: int, objects: Objects) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._objects = objects
        self._verified: dict[Path, tuple[int, int, int]] = {}
        self._guard = threading.Lock()  # of the two numbers below
        self._used_bytes: int | None = None
        self._added_bytes = 0

    def folder_of(self, zoo: str) -> Path:
        """Return the folder of a zoo in the cache, given the sha256 of its zoo.json."""
        return self._folder / zoo

    def path(self, wanted: Wanted) -> Path:
        """Return where a file is or will be."""
        return self._folder / wanted.zoo / wanted.name

    def hold(self, wanted: Wanted) -> int:
        """Make sure that a file is in the cache and correct, and keep it there.

        A missing file is fetched, a damaged one fetched again.

        Returns
        -------
        int
            A file descriptor; the file is not removed until it is closed.

        Raises
        ------
        ZooStoreError
            If the file cannot be fetched.
        """
        path = self.path(wanted)
        try:
            for _ in range(_TRIES):
                descriptor = _shared(path)
                if descriptor is None:
                    self._fill(wanted)
                elif self._is_right(descriptor, path, wanted):
                    os.utime(descriptor, ns=(time.time_ns(), FIXED_TIME * 10**9))  # when it was last used
                    return descriptor
                else:
                    address = self._objects.address(wanted.stored)
                    _log.warning("%s was damaged; it is fetched again from %s", path, address)
                    _unlink_if_same(descriptor, path)
                    os.close(descriptor)
        except OSError as error:
            raise ZooStoreError(
                f"{path}: cannot be fetched into the cache: {error.strerror or error}; "
                "make room there, or choose another folder with GENGAP_ZOO_CACHE"
            ) from error
        raise ZooStoreError(f"{path}: damaged or gone each time it is fetched; look at this machine's disk")

    @contextmanager
    def whole(self, zoo: str) -> Iterator[None]:
        """Keep all files of a zoo from being removed while the block runs."""
        with _locked(self._lock_path(f"{zoo}.whole"), fcntl.LOCK_SH):
            yield

    def forget(self, zoo: str) -> None:
        """Remove all files of a zoo that are not in use."""
        for path, _ in _files_below(self._folder / zoo):
            _remove_unused(path)

    def drop_wrong_sizes(self, zoo: str, sizes: dict[str, int]) -> None:
        """Remove files of a zoo whose size is wrong, so that opening the folder does not fail because of them."""
        for name, size in sizes.items():
            path = self._folder / zoo / name
            try:
                is_wrong = path.lstat().st_size != size
            except FileNotFoundError:
                continue
            if is_wrong:
                _log.warning("%s was damaged; it will be fetched again", path)
                path.unlink(missing_ok=True)

    def _is_right(self, descriptor: int, path: Path, wanted: Wanted) -> bool:
        """Whether the content is correct. A file is read once per process, and again after any sign of a change."""
        status = os.fstat(descriptor)
        stamp = status.st_ino, status.st_size, status.st_mtime_ns
        if self._verified.get(path) == stamp:
            return True
        has_size = wanted.bytes in (None, status.st_size)
        if not has_size or sha256_of(Path(f"/proc/self/fd/{descriptor}")) != wanted.sha256:
            self._verified.pop(path, None)
            return False
        self._verified[path] = stamp
        return True

    def _fill(self, wanted: Wanted) -> None:
        path = self.path(wanted)
        number = int(wanted.sha256[:8], 16) % _STRIPES
        part = self._folder / _PARTS / str(number)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(self._lock_path(f"fill-{number}"), fcntl.LOCK_EX):
            part.unlink(missing_ok=True)
            if path.exists():  # somebody else was faster
                return
            try:
                self._write_part(part, wanted)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)

    def _write_part(self, part: Path, wanted: Wanted) -> None:
        if not self._objects.link(wanted.stored, part):
            self._make_room(wanted.bytes or 0)
            try:
                self._objects.bring(wanted.stored, part)
            except OSError as error:
                if error.errno not in DISK_FULL:
                    raise
                part.unlink(missing_ok=True)
                self._evict(0)
                self._objects.bring(wanted.stored, part)
            part.chmod(0o444)
            os.utime(part, (FIXED_TIME, FIXED_TIME))
        descriptor = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if not self._is_right(descriptor, self.path(wanted), wanted):
                raise ZooStoreError(
                    f"{self._objects.address(wanted.stored)}: damaged in the store: it is not what its name says; "
                    "restore it from a backup, or remove it and add the zoo again"
                )
        finally:
            os.close(descriptor)

    def _make_room(self, needed_bytes: int) -> None:
        """Remove the least recently used files until `needed_bytes` fit below the limit.

        Listing the whole cache for every small file would be slow: each process lists it again after adding a
        sixty-fourth of the limit.
        """
        with self._guard:
            self._added_bytes += needed_bytes
            if (
                self._used_bytes is not None
                and self._added_bytes <= self._limit_bytes // 64
                and self._used_bytes + self._added_bytes <= self._limit_bytes
            ):
                return
            self._used_bytes = self._evict(self._limit_bytes - needed_bytes) + needed_bytes
            self._added_bytes = 0
            if self._used_bytes > self._limit_bytes:
                _log.warning(
                    "the cache %s grows to %d MiB: more than %d MiB are in use at once; raise GENGAP_ZOO_CACHE_BYTES",
                    self._folder,
                    self._used_bytes // 2**20,
                    self._limit_bytes // 2**20,
                )

    def _evict(self, limit_bytes: int) -> int:
        """Remove unused files, least recently used first, until at most `limit_bytes` are left; return what is left."""
        with _locked(self._lock_path("evict"), fcntl.LOCK_EX), ExitStack() as held:
            self._sweep_parts()
            used, candidates = 0, []
            for folder in self._folder.iterdir():
                if folder.name in (_LOCKS, _PARTS) or not folder.is_dir():
                    continue
                is_free = _try_lock(held, self._lock_path(f"{folder.name}.whole"))
                for path, status in _files_below(folder):
                    if status.st_nlink > 1 or path.relative_to(folder).as_posix() in JSON_FILES:
                        continue
                    used += status.st_size
                    if is_free:
                        candidates.append((status.st_atime_ns, path, status.st_size))
            for _, path, size in sorted(candidates):
                if used <= limit_bytes:
                    break
                if _remove_unused(path):
                    used -= size
            return used

    def _sweep_parts(self) -> None:
        for part in (self._folder / _PARTS).glob("*"):
            with ExitStack() as held:
                if _try_lock(held, self._lock_path(f"fill-{part.name}")):
                    part.unlink(missing_ok=True)

    def _lock_path(self, name: str) -> Path:
        folder = self._folder / _LOCKS
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder / name


def _shared(path: Path) -> int | None:
    """Open the file at `path` with a shared lock; None where there is none."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if _is_same(descriptor, path):  # it was not removed before the lock came
            return descriptor
        os.close(descriptor)


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _unlink_if_same(descriptor: int, path: Path) -> None:
    if _is_same(descriptor, path):
        path.unlink(missing_ok=True)


def _remove_unused(path: Path) -> bool:
    """Remove a file unless a process holds it; return whether it was removed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:  # gone, or nothing of ours
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        _unlink_if_same(descriptor, path)
        return True
    finally:
        os.close(descriptor)


def _files_below(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for path in folder.rglob("*"):
        try:
            if path.is_file() and not path.is_symlink():
                yield path, path.lstat()
        except FileNotFoundError:  # another process removed it meanwhile
            continue


@contextmanager
def _locked(path: Path, kind: int) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)


def _try_lock(held: ExitStack, path: Path) -> bool:
    """Try to lock exclusively without waiting, until `held` is closed; return whether it worked."""
    try:
        held.enter_context(_locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
