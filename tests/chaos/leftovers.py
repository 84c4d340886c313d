"""What the installation may not leave on the machine: processes, groups, mounts, messages, files."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import redis

from tests.chaos.control_groups import groups_below
from tests.chaos.invariants import Violation
from tests.chaos.site import PREFIX, Site
from tests.services import wait_until
from tests.worker.sandbox.leftovers import traces

SETTLE_S = 20.0
LONG_AGO_S = 2 * 86_400.0
_PART_MARKS = (".part", ".short")


def messages(site: Site) -> list[Violation]:
    """Messages on the broker that nobody took although the workers run and nothing is to be done."""
    if site.redis is None:
        folder = site.settings.home / "broker" / "messages"
        return _once_settled(lambda: [f"the file {path.name}" for path in folder.glob("*")], "message")

    def waiting() -> list[str]:
        assert site.redis is not None
        with redis.Redis(port=site.redis.port, decode_responses=True) as client:
            sizes = {"list": client.llen, "hash": client.hlen, "stream": client.xlen}
            kinds = {key: client.type(key) for key in client.scan_iter()}
            # Sorted sets only order what the hashes hold; sets are Celery's routes, strings the counts of rates.
            return [f"{sizes[kind](key)} in {key}" for key, kind in kinds.items() if kind in sizes]

    return _once_settled(waiting, "message")


def grow_old(site: Site) -> None:
    """Make every unfinished file look as if it had been left days ago, so that a sweep may take it."""
    then = time.time() - LONG_AGO_S
    for path in (*_unfinished(site.settings.home), *_temporary(site)):
        os.utime(path, (then, then), follow_symlinks=False)


def after(site: Site, was_there: frozenset[str]) -> list[Violation]:
    """What is left once every program has been stopped."""
    services = {one.process.pid for one in (site.postgres, site.redis) if one is not None and one.process is not None}
    return [
        *_once_settled(lambda: list(_processes(services)), "process"),
        *_once_settled(lambda: sorted(map(str, _groups(site))), "control group"),
        *_once_settled(lambda: sorted(of_the_machine() - was_there), "mount or kernel object"),
        *_once_settled(lambda: sorted(map(str, _unfinished(site.settings.home))), "unfinished file"),
        *_once_settled(lambda: sorted(map(str, _temporary(site))), "temporary file"),
    ]


def _once_settled(look: Callable[[], Sequence[str]], what: str) -> list[Violation]:
    """The violations that a look finds, if it finds some for as long as things may take to settle."""
    try:
        wait_until(lambda: not look(), what, SETTLE_S)
    except AssertionError:
        return [Violation(f"no {what} left", found) for found in look()]
    return []


def _processes(services: set[int]) -> Iterator[str]:
    for process in psutil.Process().children(recursive=True):
        try:
            ours = {process.pid, *(parent.pid for parent in process.parents())}
            if not ours & services:
                yield f"{process.pid} {process.status()} {' '.join(process.cmdline())[:120]}"
        except psutil.NoSuchProcess:
            continue


def of_the_machine() -> frozenset[str]:
    """Mounts, sandboxes' files, and objects of the kernel, but for the folder and the mount of a campaign itself."""
    return frozenset(one for one in traces(PREFIX) if not one.startswith(("process ", "group ")) and PREFIX not in one)


def _groups(site: Site) -> set[Path]:
    """Control groups that workers made: in the campaign's own, or, where it has none, those that bear their pids."""
    if site.groups:
        return groups_below(site.groups)
    marks = tuple(f"gengap-{pid}-" for program in site.programs for pid in program.pids)
    return {
        Path(folder, name) for folder, names, _ in os.walk("/sys/fs/cgroup") for name in names if name.startswith(marks)
    }


def _unfinished(home: Path) -> list[Path]:
    """Files and folders whose name says that they are being written."""
    return [path for path in home.rglob("*") if path.name.startswith(".") or path.suffix in _PART_MARKS]


def _temporary(site: Site) -> list[Path]:
    return list((site.base / "temporary").iterdir())
