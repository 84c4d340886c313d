"""Control groups of version 1: a folder per controller. See `cgroups`, its only caller."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from submissions.storage.limits import Limits

CPU_PERIOD_US = 100_000
CONTROLLERS = ("memory", "pids", "cpuacct", "cpu")


@dataclass(frozen=True)
class Group:
    """One network's folders by controller; several names may share a folder. See `cgroups.ControlGroup`."""

    places: Mapping[str, Path]

    @property
    def limits_memory(self) -> bool:
        """Whether the kernel limits the memory of this group."""
        return "memory" in self.places

    def add(self, pid: int) -> None:
        """Move a process into the group."""
        for folder in self._folders():
            (folder / "cgroup.procs").write_text(str(pid))

    def out_of_memory(self) -> bool:
        """Whether the kernel killed a process for memory, from `oom_kill`: `memory.failcnt` stays 0 then."""
        if "memory" not in self.places:
            return False
        control = (self.places["memory"] / "memory.oom_control").read_text()
        found = re.search(r"^oom_kill (\d+)$", control, re.MULTILINE)
        return found is not None and int(found[1]) > 0

    def peak_bytes(self) -> int | None:
        """Peak memory of all processes together, in bytes."""
        if "memory" not in self.places:
            return None
        return int((self.places["memory"] / "memory.max_usage_in_bytes").read_text())

    def cpu_s(self) -> float | None:
        """Processor seconds of all its processes so far."""
        if "cpuacct" not in self.places:
            return None
        return int((self.places["cpuacct"] / "cpuacct.usage").read_text()) / 1e9

    def kill(self) -> None:
        """Do nothing: version 1 cannot kill a group. Killing the network's first process ends the others."""

    def remove(self) -> None:
        """Remove the group's folders."""
        for folder in self._folders():
            folder.rmdir()

    def _folders(self) -> set[Path]:
        return set(self.places.values())


@dataclass(frozen=True)
class Hierarchy:
    """The folders in which groups can be made, by controller. See `cgroups.Hierarchy`."""

    parents: Mapping[str, Path]

    @property
    def controllers(self) -> frozenset[str]:
        """Which controllers its groups have."""
        return frozenset(self.parents)

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders below which groups are made."""
        return tuple(sorted(set(self.parents.values())))

    def create(self, name: str, limits: Limits) -> Group:
        """Make a group; `limits.processes` counts every process in it."""
        group = Group({controller: parent / name for controller, parent in self.parents.items()})
        for folder in set(group.places.values()):
            folder.mkdir()
        if memory := group.places.get("memory"):
            (memory / "memory.limit_in_bytes").write_text(str(limits.memory_bytes))
            swap = memory / "memory.memsw.limit_in_bytes"
            if swap.exists():
                swap.write_text(str(limits.memory_bytes))
        if pids := group.places.get("pids"):
            (pids / "pids.max").write_text(str(limits.processes))
        if cpu := group.places.get("cpu"):
            (cpu / "cpu.cfs_period_us").write_text(str(CPU_PERIOD_US))
            (cpu / "cpu.cfs_quota_us").write_text(str(CPU_PERIOD_US * limits.cpus))
        return group


def find(mounts: str, own: str) -> Hierarchy | None:
    """Find the controllers that this process may use.

    Parameters
    ----------
    mounts, own : str
        Contents of ``/proc/self/mountinfo`` and ``/proc/self/cgroup``.

    Returns
    -------
    Hierarchy or None
        None if there are none.
    """
    parents = {controller: parent for controller in CONTROLLERS if (parent := _parent(controller, mounts, own))}
    return Hierarchy(parents) if parents else None


def _parent(controller: str, mounts: str, own: str) -> Path | None:
    """Return our own group of this controller or else its root, whichever lets us make groups."""
    mounted = re.search(
        rf"^\S+ \S+ \S+ (\S+) (\S+) .* - cgroup \S+ (?:\S*,)?{controller}(?:,\S*)?$", mounts, re.MULTILINE
    )
    ours = re.search(rf"^\d+:(?:[^:]*,)?{controller}(?:,[^:]*)?:(.*)$", own, re.MULTILINE)
    if mounted is None or ours is None:
        return None
    top = Path(mounted[2])
    inner = ours[1].removeprefix(mounted[1]) if mounted[1] != "/" else ours[1]
    for folder in (top / inner.lstrip("/"), top):
        probe = folder / f"gengap-{os.getpid()}-probe"
        try:
            probe.mkdir()
            probe.rmdir()
        except OSError:
            continue
        return folder
    return None
