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
        return "memory" in self.controllers

    def add(self, pid: int) -> None:
        (self.folder / "cgroup.procs").write_text(str(pid))

    def out_of_memory(self) -> bool:
        return self.limits_memory and _field(self.folder / "memory.events", "oom_kill") > 0

    def peak_bytes(self) -> int | None:
        try:
            return int((self.folder / "memory.peak").read_text())
        except FileNotFoundError:  # since Linux 5.19, and only with the controller
            return None

    def cpu_s(self) -> float | None:
        """Every group counts it, whether or not the cpu controller is on."""
        return _field(self.folder / "cpu.stat", "usage_usec") / 1e6

    def kill(self) -> None:
        with contextlib.suppress(OSError):  # since Linux 5.14
            (self.folder / "cgroup.kill").write_text("1")

    def remove(self) -> None:
        self.folder.rmdir()


@dataclass(frozen=True)
class Hierarchy:
    """The folder in which groups can be made. See `cgroups.Hierarchy`."""

    parent: Path
    controllers: frozenset[str]

    @property
    def folders(self) -> tuple[Path, ...]:
        return (self.parent,)

    def create(self, name: str, limits: Limits) -> Group:
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
    """The hierarchy, from the text of /proc/self/mountinfo and /proc/self/cgroup.

    None where there is none, or none that gives memory or processes to us. May move our own processes. is_given:
    the group was made for those in it, so that they may be moved.
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
        controllers = _shared_out(folder) & frozenset(CONTROLLERS)
        if controllers & {"memory", "pids"} and _may_make_groups(folder):
            return Hierarchy(folder, controllers)
    return None


def _is_ours(here: Path, top: Path) -> bool:
    """Whether the processes in this group are ours to move: a container's root, or a unit that was delegated."""
    return here == top or any(mark in os.listxattr(here) for mark in _DELEGATED)


def _share_out(here: Path) -> None:
    """Let groups below this one have controllers; for that its processes must leave it."""
    wanted = (_words(here / "cgroup.controllers") & frozenset(CONTROLLERS)) - _shared_out(here)
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
    """A process moves only where the common group's list of processes may be written, so that is asked too."""
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


def _shared_out(folder: Path) -> frozenset[str]:
    return _words(folder / "cgroup.subtree_control")


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
