"""Control groups of version 2: one folder with every controller, in a subtree that is delegated to us.

A group that has limited groups below it must have no process of its own. Where our own group was given to us (by
systemd's `Delegate=yes`, or as a container's root) its processes move into a leaf of it first; else groups are
made beside ours, in the nearest group above that already shares out memory. Called by `cgroups` only.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from submissions.storage.limits import Limits

CPU_PERIOD_US = 100_000
CONTROLLERS = ("memory", "pids", "cpu")
LEAF = "gengap-worker"  # where our own processes go
_DELEGATED = ("trusted.delegate", "user.delegate")  # what systemd marks a delegated unit with


@dataclass(frozen=True)
class Group:
    """One network's folder. See `cgroups.ControlGroup`."""

    folder: Path
    controllers: frozenset[str]

    @property
    def limits_memory(self) -> bool:
        """Whether the kernel limits the memory of this group."""
        return "memory" in self.controllers

    def add(self, pid: int) -> None:
        """Move a process into the group."""
        (self.folder / "cgroup.procs").write_text(str(pid))

    def out_of_memory(self) -> bool:
        """Whether the kernel killed a process because the memory limit was reached."""
        return self.limits_memory and _field(self.folder / "memory.events", "oom_kill") > 0

    def peak_bytes(self) -> int | None:
        """Peak memory of all processes together, in bytes."""
        try:
            return int((self.folder / "memory.peak").read_text())
        except FileNotFoundError:  # since Linux 5.19, and only with the controller
            return None

    def cpu_s(self) -> float | None:
        """Processor seconds so far. Every group counts them, whether or not the cpu controller is on."""
        return _field(self.folder / "cpu.stat", "usage_usec") / 1e6

    def kill(self) -> None:
        """Send SIGKILL to every process at once, since Linux 5.14."""
        with contextlib.suppress(OSError):  # since Linux 5.14
            (self.folder / "cgroup.kill").write_text("1")

    def remove(self) -> None:
        """Remove the group's folder."""
        self.folder.rmdir()


@dataclass(frozen=True)
class Hierarchy:
    """The folder in which groups can be made. See `cgroups.Hierarchy`."""

    parent: Path
    controllers: frozenset[str]

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders below which groups are made."""
        return (self.parent,)

    def create(self, name: str, limits: Limits) -> Group:
        """Make a group; `limits.processes` counts every process in it."""
        group = Group(self.parent / name, self.controllers)
        group.folder.mkdir()
        if "memory" in self.controllers:
            (group.folder / "memory.max").write_text(str(limits.memory_bytes))
            for file, value in (("memory.swap.max", "0"), ("memory.oom.group", "1")):
                with contextlib.suppress(OSError):  # a kernel without swap accounting, or older than Linux 4.19
                    (group.folder / file).write_text(value)
        if "pids" in self.controllers:
            (group.folder / "pids.max").write_text(str(limits.processes))
        if "cpu" in self.controllers:
            (group.folder / "cpu.max").write_text(f"{CPU_PERIOD_US * limits.cpus} {CPU_PERIOD_US}")
        return group


def find(mounts: str, own: str, *, is_given: bool = False) -> Hierarchy | None:
    """Find where this process may make groups. May move processes of our own group into a leaf of it.

    Parameters
    ----------
    mounts, own : str
        Contents of ``/proc/self/mountinfo``, and of ``/proc/<pid>/cgroup`` of a process in the group.
    is_given : bool
        Whether the group was made for the processes in it, so that they may be moved.

    Returns
    -------
    Hierarchy or None
        None where neither memory nor processes are delegated to us.
    """
    mounted = re.search(r"^\S+ \S+ \S+ (\S+) (\S+) .* - cgroup2 ", mounts, re.MULTILINE)
    ours = re.search(r"^0::(.*)$", own, re.MULTILINE)
    if mounted is None or ours is None:
        return None
    top = Path(mounted[2])
    inner = ours[1].removeprefix(mounted[1]) if mounted[1] != "/" else ours[1]
    here = top / inner.lstrip("/")
    if here.name == LEAF:  # we have moved before, or our parent process has
        here = here.parent
    if _may_make_groups(here) and (is_given or _is_ours(here, top)):
        _share_out(here)
    for folder in _upwards(here, top):
        controllers = _words(folder / "cgroup.subtree_control") & frozenset(CONTROLLERS)
        if controllers & {"memory", "pids"} and _may_make_groups(folder):
            return Hierarchy(folder, controllers)
    return None


def _is_ours(here: Path, top: Path) -> bool:
    """Whether the processes in this group are ours to move: a container's root, or a unit that was delegated."""
    return here == top or any(mark in os.listxattr(here) for mark in _DELEGATED)


def _share_out(here: Path) -> None:
    """Let groups below this one have controllers; for that its processes must leave it."""
    wanted = (_words(here / "cgroup.controllers") & frozenset(CONTROLLERS)) - _words(here / "cgroup.subtree_control")
    if not wanted:
        return
    try:
        if (here / "cgroup.type").exists():  # the machine's root has none, and may keep its processes
            leaf = here / LEAF
            leaf.mkdir(exist_ok=True)
            for pid in (here / "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):  # it has just ended
                    (leaf / "cgroup.procs").write_text(pid)
        (here / "cgroup.subtree_control").write_text(" ".join(f"+{controller}" for controller in sorted(wanted)))
    except OSError:
        return  # not allowed after all: then look further up


def _may_make_groups(folder: Path) -> bool:
    """Whether groups can be made here and processes moved, for which the common group's list must be writable."""
    probe = folder / f"gengap-{os.getpid()}-probe"
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError:
        return False
    return os.access(folder / "cgroup.procs", os.W_OK)


def _upwards(here: Path, top: Path) -> Iterator[Path]:
    yield here
    while here != top and here.is_relative_to(top):
        here = here.parent
        yield here


def _words(file: Path) -> frozenset[str]:
    try:
        return frozenset(file.read_text().split())
    except OSError:
        return frozenset()


def _field(file: Path, name: str) -> int:
    for line in file.read_text().splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0
