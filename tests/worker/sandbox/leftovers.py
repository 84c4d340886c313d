"""What a run could leave on this machine: everything of it that can be listed, to be compared before and after."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.docker_engine import containers_of_this_process
from worker.sandbox.zygote_sandbox import SANDBOX_ID

SANDBOX_USERS = range(SANDBOX_ID, SANDBOX_ID + 4096)
SHARED_FOLDERS = (Path("/tmp"), Path("/dev/shm"), Path("/var/tmp"), Path("/run"))
IPC_COLUMNS = 2  # key and id


def traces(mark: str) -> frozenset[str]:
    """In words: processes, mounts, control groups, files, IPC objects, sockets and keys that may be of a run.

    Only what belongs to this test process or bears `mark`: others use the machine too.
    """
    return frozenset((*_processes(), *_mounts(), *_groups(), *_files(mark), *_ipc(), *_named_in_lists(mark)))


def containers_of(backend: str) -> int:
    """How many containers of our sandboxes there are on the engine of a backend that has one, running or not."""
    return len(containers_of_this_process()) if backend == "docker" else 0


def _processes() -> Iterator[str]:
    for process in psutil.Process().children(recursive=True):
        yield f"process {process.pid}"


def _mounts() -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        yield f"mount {line.split()[4]}"


def _groups() -> Iterator[str]:
    for folder, names, _ in os.walk("/sys/fs/cgroup"):
        yield from (f"group {folder}/{name}" for name in names if name.startswith(f"gengap-{os.getpid()}-"))


def _files(mark: str) -> Iterator[str]:
    for folder in SHARED_FOLDERS:
        for entry in os.scandir(folder) if folder.is_dir() else ():
            try:
                is_theirs = entry.stat(follow_symlinks=False).st_uid in SANDBOX_USERS
            except FileNotFoundError:
                continue  # another's, and gone already
            if is_theirs or mark in entry.name:
                yield f"file {entry.path}"


def _ipc() -> Iterator[str]:
    for kind in ("msg", "sem", "shm"):
        for line in Path("/proc/sysvipc", kind).read_text().splitlines()[1:]:
            fields = line.split()
            owner = int(fields[_OWNER_COLUMN[kind]])
            if owner in SANDBOX_USERS or owner == os.getuid():
                yield f"{kind} {' '.join(fields[:IPC_COLUMNS])}"
    mounted = Path("/dev/mqueue")
    for queue in mounted.iterdir() if mounted.is_dir() else ():
        yield f"message queue {queue.name}"


_OWNER_COLUMN = {"msg": 7, "sem": 4, "shm": 7}


def _named_in_lists(mark: str) -> Iterator[str]:
    for path in (Path("/proc/net/unix"), Path("/proc/keys")):
        if path.exists():
            yield from (f"{path.name}: {line}" for line in path.read_text().splitlines() if mark in line)
