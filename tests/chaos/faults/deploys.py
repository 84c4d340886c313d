"""All workers replaced; two more workers of the same host name, each in a pid namespace of its own."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from random import Random

from tests.chaos.faults.kind import ALL_WORKERS, Impossible, Kind
from tests.chaos.programs import Program
from tests.chaos.site import Site

_numbers = count()


@contextmanager
def deploy(site: Site, worker: Program, rng: Random) -> Iterator[str]:
    """SIGTERM to all workers, and new ones once they have ended."""
    site.stop(site.workers)
    site.start(site.workers)
    yield "all workers"


@contextmanager
def same_host(site: Site, worker: Program, rng: Random) -> Iterator[str]:
    """Containers that have the host's name, each with process ids of its own; removed without a word."""
    if not _may_unshare():
        raise Impossible("no pid namespace can be made here (it takes root)")
    number = next(_numbers)
    pair = [site.extra_worker(f"container-{number}{letter}") for letter in "ab"]
    site.start(pair)
    try:
        yield " and ".join(one.name for one in pair)
    finally:
        for one in pair:
            one.is_held = True
            one.kill()


@cache
def _may_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "--pid", "--fork", "--mount-proc", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


KINDS = (
    Kind("deploy", ALL_WORKERS, (0, 0), deploy),
    Kind("two workers of one host name", "containers", (150, 300), same_host),
)
