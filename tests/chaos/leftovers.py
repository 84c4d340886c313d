"""What the installation may not leave on the machine: processes, groups, mounts, messages, files."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import redis

from tests.chaos.control_groups import groups_below
from tests.chaos.invariants import Violation
from tests.chaos.site import PREFIX, Site
from tests.services import wait_until
from tests.worker.sandbox.leftovers import traces

SETTLE_S = 20.0
A_DAY_S = 2 * 86_400
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
    then = time.time() - A_DAY_S
    for path in (*_unfinished(site.settings.home), *_temporary(site)):
        os.utime(path, (then, then), follow_symlinks=False)


def before(site: Site) -> frozenset[str]:
    """What was on the machine before the first fault, to be compared with what is there at the end."""
    return _of_the_machine(site)


def after(site: Site, was_there: frozenset[str]) -> list[Violation]:
    """What is left once every program has been stopped."""
    services = {one.process.pid for one in (site.postgres, site.redis) if one is not None and one.process is not None}
    return [
        *_once_settled(lambda: list(_processes(services)), "process"),
        *_once_settled(lambda: [str(group) for group in sorted(groups_below(site.groups))], "control group"),
        *_once_settled(lambda: sorted(_of_the_machine(site) - was_there), "mount or kernel object"),
        *_once_settled(lambda: sorted(map(str, _unfinished(site.settings.home))), "unfinished file"),
        *_once_settled(lambda: sorted(map(str, _temporary(site))), "temporary file"),
    ]


def _once_settled(look: object, what: str) -> list[Violation]:
    """The violations that a look finds, if it finds some for as long as things may take to settle."""
    assert callable(look)
    try:
        wait_until(lambda: not look(), what, SETTLE_S)
    except AssertionError:
        return [Violation(f"no {what} left", str(found)) for found in look()]
    return []


def _processes(services: set[int]) -> Iterator[str]:
    for process in psutil.Process().children(recursive=True):
        try:
            ours = {process.pid, *(parent.pid for parent in process.parents())}
            if not ours & services:
                yield f"{process.pid} {process.status()} {' '.join(process.cmdline())[:120]}"
        except psutil.NoSuchProcess:
            continue


def _of_the_machine(site: Site) -> frozenset[str]:
    """Mounts, files and objects of the kernel; not those of another campaign, nor what `after` looks at by itself."""
    return frozenset(
        one
        for one in traces(site.base.name)
        if not one.startswith(("process ", "group ", f"file {site.base}")) and not _is_of_another_campaign(one, site)
    )


def _is_of_another_campaign(found: str, site: Site) -> bool:
    return PREFIX in found and str(site.base) not in found


def _unfinished(home: Path) -> list[Path]:
    """Files and folders whose name says that they are being written."""
    return [path for path in home.rglob("*") if path.name.startswith(".") or path.suffix in _PART_MARKS]


def _temporary(site: Site) -> list[Path]:
    return list((site.base / "temporary").iterdir())
