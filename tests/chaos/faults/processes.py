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

PATIENCE_S = 2.0  # for a victim that lives only while a network is evaluated
_Find = Callable[[Program], Iterator[psutil.Process]]


def _itself(worker: Program) -> Iterator[psutil.Process]:
    if worker.is_running and worker.process is not None:
        yield psutil.Process(worker.process.pid)


def _victim(find: _Find, worker: Program, rng: Random) -> psutil.Process:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := list(find(worker))):
        if time.monotonic() > deadline:
            raise NotNow
        time.sleep(0.005)
    return rng.choice(found)


def killed(find: _Find) -> Function:
    """A process of the worker gets SIGKILL."""

    @contextmanager
    def function(site: Site, worker: Program, rng: Random) -> Iterator[str]:
        victim = _victim(find, worker, rng)
        with suppress(psutil.NoSuchProcess):
            victim.kill()
        yield f"{worker.name}, process {victim.pid}"

    return function


def stopped(find: _Find) -> Function:
    """A process of the worker gets SIGSTOP, and after a while SIGCONT."""

    @contextmanager
    def function(site: Site, worker: Program, rng: Random) -> Iterator[str]:
        victim = _victim(find, worker, rng)
        with suppress(psutil.NoSuchProcess):
            victim.suspend()
        try:
            yield f"{worker.name}, process {victim.pid}"
        finally:
            with suppress(psutil.NoSuchProcess):
                victim.resume()

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
    victim = _victim(measures, worker, rng)
    site.excuses.append(in_question)
    with suppress(psutil.NoSuchProcess):
        victim.kill()
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
    victims = [*_itself(site.web), *site.web.below()]
    for process in victims:
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
