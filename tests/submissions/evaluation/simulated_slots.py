"""Slots in simulated time, which claim and record through the queue itself; for tests and `benchmarks.fairness`."""

import heapq
from collections import defaultdict
from dataclasses import dataclass, field

from sqlalchemy import update

from submissions.evaluation import fair_share, queue
from submissions.storage.database import Database
from submissions.storage.records import Purpose, ZooRecord
from tests.factories import Competition

BATCH = 1  # networks: what counts are batches


def enlarge(db: Database, networks: int) -> None:
    """Give the zoo on record so many networks."""
    ids = {f"{number:012x}": 1000 + number for number in range(networks)}
    with db.write() as session:
        session.execute(update(ZooRecord).values(weight_bytes=ids, networks=networks))


@dataclass
class Simulation:
    """Slots that claim and record through the queue, in simulated time.

    seconds: what a network of each submission takes. begun: the submission and purpose of every batch, in order. used:
    the slot seconds of each submission that fall before the last event.
    """

    competition: Competition
    slots: int
    seconds: dict[int, float]
    begun: list[tuple[int, Purpose]] = field(default_factory=list)
    used: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    now: float = 0.0
    _ends: list[tuple[float, int, queue.Claim]] = field(default_factory=list)

    def run(self, batches: int) -> None:
        """Begin so many batches more, fewer if no work is left."""
        end = len(self.begun) + batches
        while len(self.begun) < end:
            busy = {slot for _, slot, _ in self._ends}
            free = next((slot for slot in range(self.slots) if slot not in busy), None)
            if free is None or not self._begin(free):
                if not self._ends:
                    return
                self._end()

    def _begin(self, slot: int) -> bool:
        claim = self.competition.claim(f"slot{slot}", batch=BATCH)
        if claim is None:
            return False
        self.begun.append((claim.submission_id, claim.purpose))
        heapq.heappush(self._ends, (self.now + self._duration_s(claim), slot, claim))
        return True

    def _end(self) -> None:
        self.now, _, claim = heapq.heappop(self._ends)
        for run in claim.runs:
            assert self.competition.record(claim, run, 1.0, wall_s=self.seconds.get(claim.submission_id, 1.0))
        self.used[claim.submission_id] += self._duration_s(claim)

    def _duration_s(self, claim: queue.Claim) -> float:
        return len(claim.runs) * (self.seconds.get(claim.submission_id, 1.0) + fair_share.OVERHEAD_S)


def entrants(competition: Competition, number: int, uploads: int = 1) -> list[list[int]]:
    """The submissions of so many people."""
    people = [competition.user(f"user{person}") for person in range(number)]
    return [[competition.submit(user) for _ in range(uploads)] for user in people]
