"""When a waiting submission's turn comes and when it will be through: a pure estimate that plays the queue forward.

`Line` chooses as `queue.claim` does (a test holds the two together); `estimates` lets the slots of the workers draw
from it, each network taking as long as such networks took so far. What waits is read by
`submissions.evaluation.forecast`.
"""

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import TypeAlias

from submissions.storage.records import Purpose

MOST_BATCHES = 5000  # played forward; what comes later is told as "more than"
UNKNOWN_RUN_S = 1.0  # where nothing is known of a zoo: the order can be told, times cannot

_Key: TypeAlias = tuple[int, datetime, int, int]  # priority, age, submission, position: among the stages of one person
_Turn: TypeAlias = tuple[int, int, int, datetime, int, int]  # turn, priority, held runs, and the rest: among all


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
        self._turns: list[tuple[_Turn, int, int, int]] = []  # with evaluation, person and the person's version
        self._version: Counter[int] = Counter()
        for stage in self._stages.values():
            self._count(stage, sum(stage.held))
            if self._unfinished.get(stage.waits_for or 0, 0) > 0:
                self._blocked.setdefault(stage.waits_for or 0, []).append(stage)
            else:
                self._admit(stage)
        for user_id in self._ready:
            self._queue_up(user_id)

    def next(self) -> Stage | None:
        """Whose turn it is; None where nothing may be claimed."""
        while self._turns and self._turns[0][3] != self._version[self._turns[0][2]]:
            heapq.heappop(self._turns)
        return self._stages[self._turns[0][1]] if self._turns else None

    def take(self, stage: Stage, batch: int) -> int:
        """Claim up to `batch` runs of a stage; how many there were."""
        taken = min(batch, self._left[stage.evaluation_id])
        self._left[stage.evaluation_id] -= taken
        self._count(stage, taken)
        self._queue_up(stage.user_id)
        return taken

    def finish(self, stage: Stage, runs: int = 1) -> None:
        """So many claimed runs of the stage are done."""
        self._count(stage, -runs)
        self._unfinished[stage.evaluation_id] -= runs
        if self._unfinished[stage.evaluation_id] == 0:
            for freed in self._blocked.pop(stage.evaluation_id, []):
                self._admit(freed)
        self._queue_up(stage.user_id)

    def _count(self, stage: Stage, runs: int) -> None:
        self._held[stage.user_id] += runs
        if stage.purpose is Purpose.SMOKE:
            self._held_smoke[stage.user_id] += runs

    def _queue_up(self, user_id: int) -> None:
        """Let a person stand in the line as things are for them now; where they stood before counts no more."""
        self._version[user_id] += 1
        heads: list[tuple[_Turn, int]] = []
        for purpose, heap in self._ready.get(user_id, {}).items():
            while heap and self._left[heap[0][1]] == 0:
                heapq.heappop(heap)
            if heap:
                (priority, age, number, position), evaluation_id = heap[0]
                turn = (self._turn(purpose, user_id), priority, self._held[user_id], age, number, position)
                heads.append((turn, evaluation_id))
        if heads:
            first, evaluation_id = min(heads)
            heapq.heappush(self._turns, (first, evaluation_id, user_id, self._version[user_id]))

    def _turn(self, purpose: Purpose, user_id: int) -> int:
        if purpose is Purpose.SMOKE and self._held_smoke[user_id] == 0:
            return 0
        return 2 if purpose is Purpose.REPEAT else 1

    def _admit(self, stage: Stage) -> None:
        heap = self._ready.setdefault(stage.user_id, {}).setdefault(stage.purpose, [])
        key = (-stage.priority, stage.created_at, stage.submission_id, stage.position)
        heapq.heappush(heap, (key, stage.evaluation_id))


def estimates(stages: Iterable[Stage], *, slots: int, batch: int) -> dict[int, Estimate]:
    """Play the queue forward; when each submission begins and is through. slots: of all workers that are up.

    batch: how many runs a slot claims at once. The times are unknown where no worker is up, or where nothing is known
    of a zoo that comes first. Submissions that have only repeats left are not told of.
    """
    known = tuple(stages)
    play = _Play(known, max(1, slots), batch)
    for _ in range(MOST_BATCHES):
        if not play.step():
            break
    return play.told(slots)


class _Play:
    """Slots that draw from the line, the clock, and what was seen of each submission."""

    def __init__(self, stages: tuple[Stage, ...], slots: int, batch: int) -> None:
        own = [stage for stage in stages if stage.purpose is not Purpose.REPEAT]
        self._line = Line(stages)
        self._free, self._batch = slots, batch
        self._now_s: float | None = 0.0  # None once a network was begun of which nobody knows how long it takes
        self._in_hand: list[tuple[float, int, Stage, int]] = []
        self._clock_s, self._order = 0.0, count()
        self._at_work = {stage.submission_id for stage in own if stage.held}
        self._waiting = {
            stage.submission_id: (-stage.priority, stage.created_at, stage.submission_id)
            for stage in own
            if not stage.has_begun and stage.submission_id not in self._at_work
        }
        self._unfinished: Counter[int] = Counter()
        for stage in own:
            self._unfinished[stage.submission_id] += stage.pending + sum(stage.held)
        self._wanted = [number for number, runs in self._unfinished.items() if runs > 0]
        self._begun = 0  # how many had been waiting
        self._place: dict[int, int] = {}
        self._begins: dict[int, float | None] = {}
        self._ends: dict[int, float | None] = {}
        for stage in stages:
            for held in stage.held:
                self._begin(stage, held)

    def step(self) -> bool:
        """Let free slots claim, and the clock go on to the next batch that is done; False where there is none."""
        while self._free > 0 and (stage := self._line.next()) is not None:
            self._begin(stage, self._line.take(stage, self._batch))
        if not self._in_hand:
            return False
        self._clock_s, _, done, runs = heapq.heappop(self._in_hand)
        self._now_s = None if self._now_s is None else self._clock_s
        self._free += 1
        self._line.finish(done, runs)
        if done.purpose is not Purpose.REPEAT:
            self._unfinished[done.submission_id] -= runs
            if self._unfinished[done.submission_id] == 0:
                self._ends[done.submission_id] = self._now_s
        return True

    def told(self, slots: int) -> dict[int, Estimate]:
        """What is known of each submission. Who did not begin comes after those who did, by priority and age."""
        later = {key[-1]: self._begun + place for place, key in enumerate(sorted(self._waiting.values()), start=1)}
        return {
            number: Estimate(
                place=None if number in self._at_work else self._place.get(number, later.get(number, self._begun + 1)),
                begins_s=self._begins.get(number, self._now_s) if slots else None,
                ends_s=self._ends.get(number, self._now_s) if slots else None,
                is_more=number not in self._ends,
                slots=slots,
            )
            for number in self._wanted
        }

    def _begin(self, stage: Stage, runs: int) -> None:
        """A slot works on so many networks, one after another."""
        number = stage.submission_id
        if stage.purpose is not Purpose.REPEAT and number not in self._begins:
            self._begins[number] = self._now_s
            self._place[number] = self._begun + 1
            self._begun += self._waiting.pop(number, None) is not None
        if stage.run_s is None:
            self._now_s = None
        self._free -= 1
        ends_s = self._clock_s + runs * (UNKNOWN_RUN_S if stage.run_s is None else stage.run_s)
        heapq.heappush(self._in_hand, (ends_s, next(self._order), stage, runs))
