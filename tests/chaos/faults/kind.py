"""What a kind of fault is."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from random import Random

from tests.chaos.programs import Program
from tests.chaos.site import Site

WORKER = "worker"  # one worker, chosen for the fault
ALL_WORKERS = "all workers"
Function = Callable[[Site, Program, Random], AbstractContextManager[str]]


class NotNow(Exception):  # noqa: N818  (not a malfunction)
    """There is no victim at the moment; another fault is injected instead."""


class Impossible(Exception):  # noqa: N818
    """This machine does not allow the fault; the sentence says why."""


@dataclass(frozen=True)
class Kind:
    """A kind of fault. `function` injects it, yields a word on the victim, and heals it.

    target: what it happens to; two faults of one target do not overlap, nor ALL_WORKERS with a WORKER.
    lasts_s: from and to, in seconds of a production installation, which the campaign scales.
    needs: "postgresql", "redis" or "sqlite" where only such an installation can have it.
    """

    name: str
    target: str
    lasts_s: tuple[float, float]
    function: Function
    needs: str = ""
