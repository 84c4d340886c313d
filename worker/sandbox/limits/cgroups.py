"""Control groups: the kernel's own limits and accounts around one network's processes, whichever version there is.

`create` makes a group of version 2 where memory and processes are delegated to us there (`cgroups_v2`), else of
version 1 (`cgroups_v1`). What is missing is left out: the supervisor then watches resident memory and processor
time itself, and the probe of layers says what held. Called by `zygote_sandbox`, `pool` and `gengap doctor`.
"""

import os
import uuid
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Protocol

from submissions.storage.limits import Limits
from worker.sandbox.limits import cgroups_v1, cgroups_v2

PREFIX = "gengap"
INIT = 1  # the network's trusted first process, which is in the group as well
PARTICIPANT = 1


class ControlGroup(Protocol):
    """The group of one network. What a missing controller would know is None, or not limited."""

    @property
    def limits_memory(self) -> bool: ...

    def add(self, pid: int) -> None:
        """Every process that this one starts from now on is in the group too."""

    def out_of_memory(self) -> bool:
        """Whether the kernel killed a process for memory."""

    def peak_bytes(self) -> int | None: ...

    def cpu_s(self) -> float | None:
        """Processor seconds of all its processes so far, dead ones included."""

    def kill(self) -> None:
        """SIGKILL to every process at once, where the kernel can (version 2)."""

    def remove(self) -> None: ...


class Hierarchy(Protocol):
    """Where groups can be made, and which of `memory`, `pids`, `cpu`, `cpuacct` they control."""

    @property
    def controllers(self) -> frozenset[str]: ...

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders in which groups are made."""

    def create(self, name: str, limits: Limits) -> ControlGroup:
        """A new group; `limits.processes` counts every process in it."""


class NoGroup:
    """Stands where there is no control group: limits nothing and knows nothing."""

    limits_memory = False

    def add(self, pid: int) -> None:
        return None

    def out_of_memory(self) -> bool:
        return False

    def peak_bytes(self) -> int | None:
        return None

    def cpu_s(self) -> float | None:
        return None

    def kill(self) -> None:
        return None

    def remove(self) -> None:
        return None


@cache
def hierarchy() -> Hierarchy | None:
    """Where this process may make groups; None if nowhere. Looked up once: version 2 may have to move us first."""
    mounts, own = Path("/proc/self/mountinfo").read_text(), Path("/proc/self/cgroup").read_text()
    second = cgroups_v2.find(mounts, own)
    return second if second is not None else cgroups_v1.find(mounts, own)


def hierarchy_of(pid: int) -> Hierarchy | None:
    """Where this process may make groups below another one's, whose whole group was made for it by an engine.

    None if nowhere. With version 2 the processes of that group move into a leaf of it.
    """
    mounts, own = Path("/proc/self/mountinfo").read_text(), Path(f"/proc/{pid}/cgroup").read_text()
    second = cgroups_v2.find(mounts, own, is_given=True)
    return second if second is not None else cgroups_v1.find(mounts, own)


def create(within: Hierarchy | None, limits: Limits) -> ControlGroup:
    """A new group with a network's limits, from whatever controllers there are in this hierarchy."""
    if within is None:
        return NoGroup()
    name = f"{PREFIX}-{os.getpid()}-{uuid.uuid4().hex[:12]}"
    return within.create(name, replace(limits, processes=limits.processes + INIT + PARTICIPANT))


def remaining(owner: int) -> Iterator[Path]:
    """The groups that this process id has made and not removed."""
    found = hierarchy()
    for folder in found.folders if found is not None else ():
        yield from folder.glob(f"{PREFIX}-{owner}-*")


def remove_stale() -> None:
    """Remove the empty groups of supervisors that were killed and could not clean up."""
    found = hierarchy()
    for parent in found.folders if found is not None else ():
        for folder in parent.glob(f"{PREFIX}-*-*"):
            owner = folder.name.split("-")[1]
            if owner.isdigit() and not Path(f"/proc/{owner}").exists():
                try:
                    folder.rmdir()
                except OSError:
                    continue  # its processes are still dying; the next start finds it empty
