"""A worker whose clock is a minute ahead or behind."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from tests.chaos.faults.kind import WORKER, Function, Kind
from tests.chaos.programs import Program
from tests.chaos.site import Site


def shifted(seconds: float) -> Function:
    """The worker is restarted with a wrong clock, and with the right one when the fault ends."""

    @contextmanager
    def function(site: Site, worker: Program, rng: Random) -> Iterator[str]:
        site.stop([worker])
        site.set_clock(worker, seconds)
        worker.start()
        try:
            yield f"{worker.name}, {seconds:+.0f} s"
        finally:
            site.stop([worker])
            site.set_clock(worker, 0)
            worker.start()

    return function


KINDS = (
    Kind("clock ahead", WORKER, (150, 300), shifted(60.0)),
    Kind("clock behind", WORKER, (150, 300), shifted(-60.0)),
)
