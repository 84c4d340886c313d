"""The home folder's disk full or read-only; a worker's cache deleted, or its files cut short."""

import errno
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

from tests.chaos.faults.kind import WORKER, Impossible, Kind, NotNow
from tests.chaos.programs import Program
from tests.chaos.site import Site

HOME = "home"
TRIES = 40
_FILLER = "filler"
_CHUNKS = (2**20, 2**12)


def _needs_own_volume(site: Site) -> None:
    if not site.has_own_volume:
        raise Impossible("no file system can be mounted here (it takes root)")


@contextmanager
def full(site: Site, worker: Program, rng: Random) -> Iterator[str]:
    _needs_own_volume(site)
    path = site.settings.home / _FILLER
    try:
        with path.open("wb", buffering=0) as file:
            for bytes_at_once in _CHUNKS:
                _write_until_full(file.write, bytes(bytes_at_once))
        yield "home"
    finally:
        path.unlink(missing_ok=True)


def _write_until_full(write: Callable[[bytes], int | None], chunk: bytes) -> None:
    try:
        while write(chunk) == len(chunk):
            pass
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


@contextmanager
def read_only(site: Site, worker: Program, rng: Random) -> Iterator[str]:
    _needs_own_volume(site)

    def remount(how: str) -> bool:
        command = ["mount", "-o", f"remount,{how}", str(site.settings.home)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    for _ in range(TRIES):  # it is busy while somebody has a file open for writing
        if remount("ro"):
            break
        time.sleep(0.05)
    else:
        raise NotNow
    try:
        yield "home"
    finally:
        remount("rw")


@contextmanager
def cache_deleted(site: Site, worker: Program, rng: Random) -> Iterator[str]:
    shutil.rmtree(worker.environment["GENGAP_ZOO_CACHE"], ignore_errors=True)
    yield f"the cache of {worker.name}"


@contextmanager
def cache_cut_short(site: Site, worker: Program, rng: Random) -> Iterator[str]:
    """Some files have half of their bytes, as after a power failure. A file in use stays what it was."""
    from_cache = site.base / "caches" / worker.name
    files = sorted(path for path in from_cache.glob("[0-9a-f]*/**/*") if path.is_file() and path.suffix != ".part")
    chosen = [path for path in files if rng.random() < 0.5]
    for path in chosen:
        short = path.with_name(f"{path.name}.short")
        try:
            short.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
            short.replace(path)
        except FileNotFoundError:  # the worker has just removed it
            short.unlink(missing_ok=True)
    yield f"{len(chosen)} files in the cache of {worker.name}"


KINDS = (
    Kind("disk full", HOME, (5, 60), full),
    Kind("disk read-only", HOME, (5, 60), read_only, "postgresql"),  # SQLite has its files open
    Kind("cache deleted", WORKER, (0, 0), cache_deleted),
    Kind("cache cut short", WORKER, (0, 0), cache_cut_short),
)
