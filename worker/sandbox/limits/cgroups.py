"""Control groups: the kernel's own limits and accounting for one network's processes, in either version.

`create` makes a group of version 2 where memory and processes are delegated to us (`cgroups_v2`), or else of version 1
(`cgroups_v1`). Controllers that are missing are left out: the supervisor then watches resident memory and processor
time itself, and `layer_check` reports what held. Called by `zygote_sandbox`, `pool` and `gengap doctor`.
"""

import contextlib
import os
import time
import uuid
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Protocol

from submissions.storage.limits import Limits
from worker.sandbox.limits import cgroups_v1, cgroups_v2

PREFIX = "gengap"
INIT = 1  # the network's trusted first process, which is in the group as well
PARTICIPANT = 1
STALE_S = 30.0


class ControlGroup(Protocol):
    """The group of one network. Where a controller is missing, its values are None and its limits do not apply."""

    @property
    def limits_memory(self) -> bool:
        """Whether the kernel limits the memory of this group."""

    def add(self, pid: int) -> None:
        """Move a process into the group. Every process that it starts from then on is in the group too."""

    def out_of_memory(self) -> bool:
        """Whether the kernel killed a process because the memory limit was reached."""

    def peak_bytes(self) -> int | None:
        """Peak memory of all processes together, in bytes."""

    def cpu_s(self) -> float | None:
        """Processor seconds of all its processes so far, including those that have ended."""

    def kill(self) -> None:
        """Send SIGKILL to every process at once, where the kernel can do so (version 2)."""

    def remove(self) -> None:
        """Remove the group, which has no processes any more."""


class Hierarchy(Protocol):
    """A place in which groups can be made."""

    @property
    def controllers(self) -> frozenset[str]:
        """Which of `memory`, `pids`, `cpu` and `cpuacct` its groups have."""

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders below which groups are made."""

    def create(self, name: str, limits: Limits) -> ControlGroup:
        """Make a group; `limits.processes` counts every process in it."""


@cache
def hierarchy() -> Hierarchy | None:
    """Find where this process may make groups. The result is kept, since version 2 may have to move this process first.

    Returns
    -------
    Hierarchy or None
        None if it may make groups nowhere.
    """
    return _find("self")


def hierarchy_of(pid: int) -> Hierarchy | None:
    """Find where this process may make groups below the group of a container.

    With version 2 the container's processes are moved into a leaf of their group.

    Parameters
    ----------
    pid : int
        A process of the container, whose group the engine made for it alone.

    Returns
    -------
    Hierarchy or None
        None if groups can be made nowhere.
    """
    return _find(str(pid), is_given=True)


def _find(process: str, *, is_given: bool = False) -> Hierarchy | None:
    mounts, own = Path("/proc/self/mountinfo").read_text(), Path(f"/proc/{process}/cgroup").read_text()
    return cgroups_v2.find(mounts, own, is_given=is_given) or cgroups_v1.find(mounts, own)


def create(within: Hierarchy | None, limits: Limits) -> ControlGroup:
    """Make a group with a network's limits, as far as the controllers of a hierarchy allow.

    Parameters
    ----------
    within : Hierarchy or None
        None: the group limits nothing and measures nothing.
    limits : Limits
        `memory_bytes`, `processes` (besides the measure's first) and `cpus` are used.

    Returns
    -------
    ControlGroup

    Raises
    ------
    OSError
        If the group cannot be made.
    """
    if within is None:
        return cgroups_v1.Group({})
    name = f"{PREFIX}-{os.getpid()}-{uuid.uuid4().hex[:12]}"
    return within.create(name, replace(limits, processes=limits.processes + INIT + PARTICIPANT))


def remove_stale(age_s: float = STALE_S) -> None:
    """Remove the empty groups of supervisors that were killed and could not clean up.

    Parameters
    ----------
    age_s : float, optional
        Seconds after which an empty group belongs to nobody, whoever made it: a supervisor of another pid namespace has
        a process id that means nothing here, and a living one leaves its groups empty for a moment only.
    """
    found = hierarchy()
    for parent in found.folders if found is not None else ():
        for folder in parent.glob(f"{PREFIX}-*-*"):
            owner = folder.name.split("-")[1]
            with contextlib.suppress(OSError):  # it has processes, or they are still dying
                is_old = folder.stat().st_mtime < time.time() - age_s  # noqa: TID251  (a file's time)
                if owner.isdigit() and (is_old or not Path(f"/proc/{owner}").exists()):
                    folder.rmdir()
