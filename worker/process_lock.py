"""Lock files that prove whether a worker process of this machine is alive.

Each worker holds a lock on a file in the home folder, which the kernel releases when the process ends in whatever way.
So a lock that can be taken belongs to a dead worker. A process id would prove nothing: another container has others.
A lock of another boot or another machine proves nothing either, and is left alone; the leases of that worker expire.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SUFFIX = ".lock"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@contextmanager
def held(folder: Path, worker_id: str) -> Iterator[None]:
    """Hold the lock of this worker during a `with` block, and remove its file afterwards.

    Parameters
    ----------
    folder : Path
        A folder of this machine, shared by its workers. It is made if necessary.
    """
    folder.mkdir(exist_ok=True, mode=0o700)
    path = folder / f"{worker_id}{_SUFFIX}"
    part = folder / f".part-{worker_id}"
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # closed in children that run a program
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, _boot().encode())
        part.rename(path)  # nobody sees a file that is not locked yet
        yield
    finally:
        for name in (part, path):
            name.unlink(missing_ok=True)
        os.close(descriptor)


@contextmanager
def dead_workers(folder: Path) -> Iterator[list[str]]:
    """Find the workers of this machine that have died. Their files are removed after the `with` block, if it succeeds.

    Yields
    ------
    list of str
        Ids of dead workers that no other process is looking after at the moment.
    """
    dead: dict[str, Path] = {}
    with contextlib.ExitStack() as locks:
        for path in folder.glob(f"*{_SUFFIX}"):
            try:
                file = locks.enter_context(path.open())
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # it is alive, or somebody was faster
                continue
            if path.exists() and file.read() == _boot():
                dead[path.name.removesuffix(_SUFFIX)] = path
        yield list(dead)
        for path in dead.values():
            path.unlink(missing_ok=True)


def _boot() -> str:
    """Return an id of this boot of this machine, the same in all containers."""
    return _BOOT.read_text().strip()
