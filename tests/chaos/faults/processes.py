"""SIGKILL and SIGSTOP of the web server, a worker, its zygotes, and what runs in a sandbox."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random

import psutil

from tests.chaos.faults.kind import WORKER, Function, Kind, NotNow
from tests.chaos.programs import Program, first_processes, measures, zygotes
from tests.chaos.site import Site

PATIENCE_S = 5.0  # for a victim that lives only while a network is evaluated
_Find = Callable[[Program], Iterator[int]]


def _itself(worker: Program) -> Iterator[int]:
    if worker.is_running and worker.process is not None:
        yield worker.process.pid


def _hit(find: _Find, worker: Program, rng: Random, number: signal.Signals) -> psutil.Process:
    """Send a signal to one of the processes that are found, as soon as there is one; return it."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := list(find(worker)):
            with suppress(psutil.NoSuchProcess):  # it has just ended; another one comes
                victim = psutil.Process(rng.choice(found))
                if victim.status() != psutil.STATUS_ZOMBIE:
                    victim.send_signal(number)
                    return victim
        time.sleep(0.002)
    raise NotNow


def killed(find: _Find) -> Function:
    """A process of the worker gets SIGKILL."""

    @contextmanager
    def function(site: Site, worker: Program, rng: Random) -> Iterator[str]:
        victim = _hit(find, worker, rng, signal.SIGKILL)
        yield f"{worker.name}, process {victim.pid}"

    return function


def stopped(find: _Find) -> Function:
    """A process of the worker gets SIGSTOP, and after a while SIGCONT."""

    @contextmanager
    def function(site: Site, worker: Program, rng: Random) -> Iterator[str]:
        victim = _hit(find, worker, rng, signal.SIGSTOP)
        try:
            yield f"{worker.name}, process {victim.pid}"
        finally:
            with suppress(psutil.NoSuchProcess):
                victim.send_signal(signal.SIGCONT)

    return function


@contextmanager
def worker_killed(site: Site, worker: Program, rng: Random) -> Iterator[str]:
    if not worker.is_running:
        raise NotNow
    worker.kill()
    yield worker.name


@contextmanager
def measure_killed(site: Site, worker: Program, rng: Random) -> Iterator[str]:
    """The one fault that a measure can be blamed for: nobody can tell it from a measure that kills itself."""
    in_question = site.open_submissions()
    if in_question is None:
        raise NotNow
    victim = _hit(measures, worker, rng, signal.SIGKILL)
    site.excuses.append(in_question | (site.open_submissions() or frozenset()))
    yield f"{worker.name}, process {victim.pid}"


@contextmanager
def web_killed(site: Site, worker: Program, rng: Random) -> Iterator[str]:
    """All of its processes at once, as the kernel's OOM killer does with a service; a service manager restarts it."""
    if not site.web.is_running:
        raise NotNow
    below = site.web.below()
    site.web.kill()
    for process in below:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(below)
    yield "web"


@contextmanager
def web_stopped(site: Site, worker: Program, rng: Random) -> Iterator[str]:
    victims = [*map(psutil.Process, _itself(site.web)), *site.web.below()]
    for process in victims:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    try:
        yield "web"
    finally:
        for process in victims:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)


KINDS = (
    Kind("worker killed", WORKER, (0, 0), worker_killed),
    Kind("worker stopped", WORKER, (5, 90), stopped(_itself)),
    Kind("zygote killed", WORKER, (0, 0), killed(zygotes)),
    Kind("zygote stopped", WORKER, (5, 60), stopped(zygotes)),
    Kind("sandbox's first process killed", WORKER, (0, 0), killed(first_processes)),
    Kind("sandbox's first process stopped", WORKER, (1, 20), stopped(first_processes)),
    Kind("measure killed", WORKER, (0, 0), measure_killed),
    Kind("measure stopped", WORKER, (1, 20), stopped(measures)),
    Kind("web killed", "web", (0, 0), web_killed),
    Kind("web stopped", "web", (5, 60), web_stopped),
)
