"""A control group of this campaign's own, so that its groups and those of other workers on the machine do not meet."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from worker.sandbox.limits.cgroups_v1 import CONTROLLERS

PREFIX = "chaos-"
SHARES = 10 * 1024  # of processor time: a group has by default what a single process has


@contextmanager
def own_groups() -> Iterator[tuple[Path, ...]]:
    """A new group of each controller of version 1; none where there are none, or they may not be made."""
    found = {place for controller in CONTROLLERS if (place := _place(controller)) is not None}
    made = []
    try:
        for place in sorted(found):
            _remove_those_of_killed_campaigns(place)
            with suppress(OSError):
                (place / f"{PREFIX}{os.getpid()}").mkdir()
                made.append(place / f"{PREFIX}{os.getpid()}")
                if (made[-1] / "cpu.shares").exists():
                    (made[-1] / "cpu.shares").write_text(str(SHARES))
        yield tuple(made)
    finally:
        for folder in made:
            _remove(folder)


def groups_below(folders: tuple[Path, ...]) -> set[Path]:
    """The groups that workers made there and did not remove."""
    return {path for folder in folders for path in folder.iterdir() if path.is_dir()}


def _place(controller: str) -> Path | None:
    mounts, own = (Path("/proc/self/mountinfo").read_text(), Path("/proc/self/cgroup").read_text())
    mounted = re.search(rf"^\S+ \S+ \S+ (\S+) (\S+) .* - cgroup \S+ (?:\S*,)?{controller}(?:,\S*)?$", mounts, re.M)
    ours = re.search(rf"^\d+:(?:[^:]*,)?{controller}(?:,[^:]*)?:(.*)$", own, re.M)
    if mounted is None or ours is None:
        return None
    inner = ours[1].removeprefix(mounted[1]) if mounted[1] != "/" else ours[1]
    return Path(mounted[2]) / inner.lstrip("/")


def _remove_those_of_killed_campaigns(place: Path) -> None:
    for folder in place.glob(f"{PREFIX}*"):
        if not Path("/proc", folder.name.removeprefix(PREFIX)).exists():
            _remove(folder)


def _remove(folder: Path) -> None:
    for inner in (*groups_below((folder,)), folder):
        with suppress(OSError):
            inner.rmdir()
