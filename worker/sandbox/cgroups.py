"""Control groups: the kernel's own memory and process limits around one network's processes.

Version 1 with writable `memory` and `pids` hierarchies (root on many servers). Where they are missing the
supervisor falls back to watching resident memory, and the layer vector says so.
"""

import os
import re
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PREFIX = "gengap"


@dataclass(frozen=True)
class ControlGroup:
    """The limits around one network. `memory` and `pids` are folders, None where that controller is missing."""

    memory: Path | None
    pids: Path | None

    def add(self, pid: int) -> None:
        for folder in self._folders():
            (folder / "cgroup.procs").write_text(str(pid))

    def out_of_memory(self) -> bool:
        """Whether the kernel killed a process for memory. (`memory.failcnt` stays 0 on such a kill.)"""
        if self.memory is None:
            return False
        found = re.search(r"^oom_kill (\d+)$", (self.memory / "memory.oom_control").read_text(), re.MULTILINE)
        return found is not None and int(found[1]) > 0

    def peak_bytes(self) -> int | None:
        if self.memory is None:
            return None
        return int((self.memory / "memory.max_usage_in_bytes").read_text())

    def remove(self) -> None:
        for folder in self._folders():
            folder.rmdir()

    def _folders(self) -> list[Path]:
        return [folder for folder in (self.memory, self.pids) if folder is not None]


def create(memory_bytes: int, processes: int) -> ControlGroup:
    """A new group with these limits, from whatever controllers this process may use."""
    name = f"{_PREFIX}-{os.getpid()}-{uuid.uuid4().hex[:12]}"
    memory, pids = parent_of("memory"), parent_of("pids")
    group = ControlGroup(memory and memory / name, pids and pids / name)
    if group.memory is not None:
        group.memory.mkdir()
        (group.memory / "memory.limit_in_bytes").write_text(str(memory_bytes))
        swap = group.memory / "memory.memsw.limit_in_bytes"
        if swap.exists():
            swap.write_text(str(memory_bytes))
    if group.pids is not None:
        group.pids.mkdir()
        (group.pids / "pids.max").write_text(str(processes + 2))  # init and the participant itself
    return group


@cache
def parent_of(controller: str) -> Path | None:
    """The folder in which this process may make groups of a version 1 controller; None where it may not."""
    mounted = re.search(
        rf"^\S+ \S+ \S+ \S+ (\S+) .* - cgroup \S+ (?:\S*,)?{controller}(?:,\S*)?$",
        Path("/proc/self/mountinfo").read_text(),
        re.MULTILINE,
    )
    own = re.search(
        rf"^\d+:(?:[^:]*,)?{controller}(?:,[^:]*)?:(.*)$", Path("/proc/self/cgroup").read_text(), re.MULTILINE
    )
    if mounted is None or own is None:
        return None
    for folder in (Path(mounted[1]) / own[1].lstrip("/"), Path(mounted[1])):
        probe = folder / f"{_PREFIX}-{os.getpid()}-probe"
        try:
            probe.mkdir()
            probe.rmdir()
        except OSError:
            continue
        return folder
    return None


def remove_stale() -> None:
    """Remove the empty groups of supervisors that were killed and could not clean up."""
    for controller in ("memory", "pids"):
        parent = parent_of(controller)
        for folder in parent.glob(f"{_PREFIX}-*") if parent else ():
            owner = folder.name.split("-")[1]
            if not Path(f"/proc/{owner}").exists():
                try:
                    folder.rmdir()
                except OSError:
                    continue  # its processes are still dying; the next start finds it empty
