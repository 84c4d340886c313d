"""When a waiting submission's turn comes and when it will be through: a pure estimate that plays the queue forward.

`Line` chooses as `queue.claim` does (a test holds the two together); `estimate` lets the slots of the workers draw from
it, each network taking as long as such networks took so far. What is waiting is read by `submissions.forecast`.
"""

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import TypeAlias

from submissions.records import Purpose

MOST_RUNS = 4000  # played forward; what comes later is told as "more than"
UNKNOWN_RUN_S = 1.0  # where nothing is known of a zoo: the order can be told, times cannot

_Key: TypeAlias = tuple[int, datetime, int, int]


@dataclass(frozen=True)
class Stage:
    """An evaluation's runs that are not done: `pending` ones, and for each slot at work on it how many it holds.

    waits_for: the evaluation, a smoke run, that must be through before this one may begin. run_s: seconds for a
    network, None where nothing is known. has_begun: whether the submission has scored a network already.
    """

    evaluation_id: int
    submission_id: int
    user_id: int
    purpose: Purpose
    priority: int
    created_at: datetime
    position: int
    pending: int
    held: tuple[int, ...] = ()
    waits_for: int | None = None
    run_s: float | None = None
    has_begun: bool = False


@dataclass(frozen=True)
class Estimate:
    """place: which of the waiting submissions it is, counted from 1; None where it is at work now.

    begins_s, ends_s: seconds until its next network begins and its last one ends; None where that cannot be told. With
    is_more they are the least that it takes. slots: how many work.
    """

    place: int | None
    begins_s: float | None
    ends_s: float | None
    is_more: bool = False
    slots: int = 0


class Line:
    """What waits, in the order in which slots draw from it. The same rule as `queue.claim`, without a database."""

    def __init__(self, stages: Iterable[Stage]) -> None:
        self._stages = {stage.evaluation_id: stage for stage in stages}
        self._left = {stage.evaluation_id: stage.pending for stage in self._stages.values()}
        self._unfinished = {stage.evaluation_id: stage.pending + sum(stage.held) for stage in self._stages.values()}
        self._held: Counter[int] = Counter()
        self._held_smoke: Counter[int] = Counter()
        self._ready: dict[int, dict[Purpose, list[tuple[_Key, int]]]] = {}
        self._blocked: dict[int, list[Stage]] = {}
        for stage in self._stages.values():
            self._hold(stage, sum(stage.held))
            if self._unfinished.get(stage.waits_for or 0, 0) > 0:
                self._blocked.setdefault(stage.waits_for or 0, []).append(stage)
            else:
                self._admit(stage)

    def next(self) -> Stage | None:
        """Whose turn it is; None where nothing may be claimed."""
        best: tuple[tuple[int, int, int, datetime, int, int], int] | None = None
        for user_id, queues in self._ready.items():
            for purpose, heap in queues.items():
                while heap and self._left[heap[0][1]] == 0:
                    heapq.heappop(heap)
                if not heap:
                    continue
                (priority, created_at, submission_id, position), evaluation_id = heap[0]
                turn = self._turn(purpose, user_id)
                key = (turn, priority, self._held[user_id], created_at, submission_id, position)
                if best is None or key < best[0]:
                    best = (key, evaluation_id)
        return None if best is None else self._stages[best[1]]

    def take(self, stage: Stage, batch: int) -> int:
        """Claim up to `batch` runs of a stage; how many there were."""
        taken = min(batch, self._left[stage.evaluation_id])
        self._left[stage.evaluation_id] -= taken
        self._hold(stage, taken)
        return taken

    def finish(self, stage: Stage) -> bool:
        """One claimed run of the stage is done; whether it was the stage's last."""
        self._hold(stage, -1)
        self._unfinished[stage.evaluation_id] -= 1
        if self._unfinished[stage.evaluation_id] > 0:
            return False
        for freed in self._blocked.pop(stage.evaluation_id, []):
            self._admit(freed)
        return True

    def unfinished(self, submission_id: int) -> int:
        """How many runs the submission still needs for its score."""
        return sum(
            self._unfinished[stage.evaluation_id]
            for stage in self._stages.values()
            if stage.submission_id == submission_id and stage.purpose is not Purpose.REPEAT
        )

    def _turn(self, purpose: Purpose, user_id: int) -> int:
        if purpose is Purpose.SMOKE and self._held_smoke[user_id] == 0:
            return 0
        return 2 if purpose is Purpose.REPEAT else 1

    def _hold(self, stage: Stage, runs: int) -> None:
        self._held[stage.user_id] += runs
        if stage.purpose is Purpose.SMOKE:
            self._held_smoke[stage.user_id] += runs

    def _admit(self, stage: Stage) -> None:
        heap = self._ready.setdefault(stage.user_id, {}).setdefault(stage.purpose, [])
        key = (-stage.priority, stage.created_at, stage.submission_id, stage.position)
        heapq.heappush(heap, (key, stage.evaluation_id))


def estimate(stages: Iterable[Stage], submission_id: int, *, slots: int, batch: int) -> Estimate:
    """Play the queue forward until the submission is through. slots: of all workers that are up; batch: as they claim.

    The times are unknown where no worker is up, or where nothing is known of a zoo that comes first.
    """
    known = tuple(stages)
    line, play = Line(known), _Play(max(1, slots), batch)
    own = [stage for stage in known if stage.submission_id == submission_id and stage.purpose is not Purpose.REPEAT]
    for stage in known:
        for held in stage.held:
            play.begin(stage, held)
    begins_s = 0.0 if any(stage.held for stage in own) else None
    ahead: set[int] = set()
    left = line.unfinished(submission_id)
    for _ in range(MOST_RUNS):
        if left == 0:
            break
        for stage, taken in play.draw(line):
            if stage.submission_id == submission_id:
                begins_s = play.now_s if begins_s is None else begins_s
            elif begins_s is None and not stage.has_begun and not stage.held:
                ahead.add(stage.submission_id)
            play.begin(stage, taken)
        done = play.step()
        if done is None:
            break
        line.finish(done)
        left -= done.submission_id == submission_id and done.purpose is not Purpose.REPEAT
    is_told = slots > 0 and not play.is_guess
    place = None if any(stage.held for stage in own) or not own else len(ahead) + 1
    return Estimate(
        place=place,
        begins_s=(play.now_s if begins_s is None else begins_s) if is_told else None,
        ends_s=play.now_s if is_told else None,
        is_more=left > 0,
        slots=slots,
    )


class _Play:
    """Slots at work, and the clock. `is_guess` once a network was begun of which nobody knows how long it takes."""

    def __init__(self, slots: int, batch: int) -> None:
        self.now_s = 0.0
        self.is_guess = False
        self._free = slots
        self._batch = batch
        self._ends: list[tuple[float, int, Stage, bool]] = []
        self._order = count()

    def draw(self, line: Line) -> Iterable[tuple[Stage, int]]:
        """What the free slots claim now. The caller begins each before it asks for the next."""
        while self._free > 0 and (stage := line.next()) is not None:
            yield stage, line.take(stage, self._batch)

    def begin(self, stage: Stage, runs: int) -> None:
        """One slot works on so many networks, one after another."""
        self._free -= 1
        self.is_guess = self.is_guess or stage.run_s is None
        run_s = UNKNOWN_RUN_S if stage.run_s is None else stage.run_s
        for number in range(1, runs + 1):
            heapq.heappush(self._ends, (self.now_s + number * run_s, next(self._order), stage, number == runs))

    def step(self) -> Stage | None:
        """Let the clock go on to the next network that is done; the stage it belongs to."""
        if not self._ends:
            return None
        self.now_s, _, stage, frees_slot = heapq.heappop(self._ends)
        self._free += frees_slot
        return stage
