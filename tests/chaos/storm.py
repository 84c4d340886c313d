"""Injects faults at random moments, several at a time, and heals each when its time is over."""

import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.chaos.faults.kind import ALL_WORKERS, WORKER, Impossible, Kind, NotNow
from tests.chaos.programs import Program
from tests.chaos.site import Site

MEAN_PAUSE_S = 0.5
AT_ONCE = 3


@dataclass
class Injected:
    """A fault that happened, with the times between which it lasted."""

    kind: Kind
    victim: str
    began_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True)
class _Active:
    fault: Injected
    target: str
    heal: AbstractContextManager[str]
    until: float


class Storm:
    """`step` injects and heals what is due. The sequence of kinds and pauses follows from the seed."""

    def __init__(self, site: Site, kinds: Sequence[Kind], *, total: int, seed: int) -> None:
        self.total = total
        self.injected: list[Injected] = []
        self.impossible: dict[str, str] = {}
        self.no_victim: Counter[str] = Counter()
        self._site, self._kinds = site, list(kinds)
        self._rng = random.Random(seed)
        self._active: list[_Active] = []
        self._next_at = time.monotonic()
        self._deck: list[Kind] = []

    def __enter__(self) -> "Storm":
        return self

    def __exit__(self, *_: object) -> None:
        self.heal_all()

    @property
    def is_over(self) -> bool:
        return not self._kinds or (len(self.injected) >= self.total and not self._active)

    def step(self, due: int) -> None:
        """Heal what is over; inject one fault, if fewer than `due` have been, and the pause after the last is over."""
        now = time.monotonic()
        for active in [one for one in self._active if one.until <= now]:
            self._heal(active)
        if len(self.injected) >= min(due, self.total) or len(self._active) >= AT_ONCE or now < self._next_at:
            return
        self._next_at = now + self._rng.expovariate(1 / MEAN_PAUSE_S)
        if self._kinds:
            self._inject(self._draw())

    def heal_all(self) -> None:
        for active in list(self._active):
            self._heal(active)

    def _draw(self) -> Kind:
        """Every kind once in a random order, and again."""
        if not self._deck:
            self._deck = self._rng.sample(self._kinds, len(self._kinds))
        return self._deck.pop()

    def _inject(self, kind: Kind) -> None:
        worker = self._free_worker(kind)
        if worker is None:  # its turn comes later
            self._deck.insert(0, kind)
            return
        target = worker.name if kind.target == WORKER else kind.target
        began, heal = datetime.now(UTC), kind.function(self._site, worker, self._rng)
        lasts_s = self._rng.uniform(*kind.lasts_s) * self._site.scale
        try:
            victim = heal.__enter__()
        except NotNow:
            self.no_victim[kind.name] += 1
            return
        except Impossible as error:
            self.impossible[kind.name] = str(error)
            self._kinds.remove(kind)
            return
        fault = Injected(kind, victim, began)
        self.injected.append(fault)
        self._active.append(_Active(fault, target, heal, time.monotonic() + lasts_s))

    def _free_worker(self, kind: Kind) -> Program | None:
        """A worker to which nothing happens now; None if the kind's target is not free."""
        busy = {active.target for active in self._active}
        workers = [one for one in self._site.workers if one.name not in busy]
        if kind.target == ALL_WORKERS:
            return workers[0] if len(workers) == len(self._site.workers) and ALL_WORKERS not in busy else None
        if kind.target != WORKER:
            return self._site.workers[0] if kind.target not in busy else None
        return self._rng.choice(workers) if workers and ALL_WORKERS not in busy else None

    def _heal(self, active: _Active) -> None:
        self._active.remove(active)
        active.heal.__exit__(None, None, None)
        active.fault.ended_at = datetime.now(UTC)
