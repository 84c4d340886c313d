"""Boards for `benchmarks.ladder`: the product's, in a database; the same by arrays, which is faster; the old Ladder.

By itself this does nothing.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import insert, select

from scoring import Ladder, Release
from scoring.grid import FloatArray
from submissions.leaderboard import standings
from submissions.storage.database import Database
from submissions.storage.migrations import migrate
from submissions.storage.records import (
    CompetitionRecord,
    EvaluationRecord,
    PhaseRecord,
    PhaseZooRecord,
    SubmissionRecord,
    UserRecord,
    ZooRecord,
)
from submissions.storage.states import State

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ALMOST = 0.7  # a score needs a jackknife on record if it might be released with this much of the usual standard error
HUNDRED = 100.0


@dataclass(frozen=True)
class Shown:
    """What is shown after each submission of a batch, arrays of shape (simulations, submissions)."""

    scores: FloatArray
    released: NDArray[np.bool_]
    is_first: bool

    def last_released(self) -> Iterator[tuple[int, int]]:
        """Simulation and place in the batch of what is shown now, where that is new."""
        for simulation in np.flatnonzero(self.released.any(axis=1)).tolist():
            yield simulation, int(np.flatnonzero(self.released[simulation])[-1])


class Board(Protocol):
    """An entrant of each simulation in a phase with a Ladder."""

    is_begun: bool

    def submit(self, contributions: FloatArray) -> Shown:
        """Record scored submissions, (simulations, submissions, networks), and look at what is shown."""
        ...

    def needed(self, errors: FloatArray) -> FloatArray:
        """The score from which an unrelated measure is released next: (simulations, errors)."""
        ...

    def certified(self, scores: FloatArray, errors: FloatArray) -> FloatArray:
        """About what would be shown of such scores, (simulations, errors)."""
        ...

    def close(self) -> None: ...


class OldBoard:
    """The parameter-free Ladder: released if better by a standard error of the difference, shown in steps of SE."""

    def __init__(self) -> None:
        self.is_begun = False

    def submit(self, contributions: FloatArray) -> Shown:
        is_first, self.is_begun = not self.is_begun, True
        scores, released = np.zeros(contributions.shape[:2]), np.zeros(contributions.shape[:2], dtype=bool)
        for place in range(contributions.shape[1]):
            new = contributions[:, place]
            if is_first and place == 0:
                self._best, self._shown = new, np.zeros(len(new))
                better = np.ones(len(new), dtype=bool)
            else:
                better = (new - self._best).mean(axis=1) > _errors(new - self._best)
            step = np.maximum(1, np.ceil(_errors(new)))
            in_steps = step * np.minimum(np.round(new.mean(axis=1) / step), HUNDRED // step)
            self._shown = np.where(better, in_steps, self._shown)
            self._best = np.where(better[:, None], new, self._best)
            scores[:, place], released[:, place] = self._shown, better
        return Shown(scores, released, is_first)

    def needed(self, errors: FloatArray) -> FloatArray:
        needed: FloatArray = self._best.mean(axis=1)[:, None] + np.hypot(_errors(self._best)[:, None], errors)
        return needed

    def certified(self, scores: FloatArray, errors: FloatArray) -> FloatArray:
        return scores

    def close(self) -> None:
        pass


class _LadderBoard:
    """What the two boards of the Ladder have in common: the memory that an attacker can keep as well."""

    def __init__(self, simulations: int, step: float) -> None:
        self.is_begun = False
        self._step = step
        self._networks = 0
        self._simulations = simulations
        self._memories = [Ladder(step) for _ in range(simulations)]
        self._networks = 0  # until the first submission

    def _remember(self, scores: FloatArray, released: NDArray[np.bool_], *, was_told: bool = False) -> None:
        for simulation, memory in enumerate(self._memories):
            for score, is_released in zip(scores[simulation].tolist(), released[simulation].tolist(), strict=True):
                memory = memory.after(Release(score, 0.0, improved=is_released), was_told=was_told)
            self._memories[simulation] = memory

    def _shown(self) -> FloatArray:
        return np.array([memory.shown for memory in self._memories], dtype=np.float64)

    def _factors(self) -> FloatArray:
        return np.array([memory.factor(self._networks) for memory in self._memories])

    def needed(self, errors: FloatArray) -> FloatArray:
        needed: FloatArray = self._shown()[:, None] + self._step + (self._factors()[:, None] - 1) * errors
        return needed

    def certified(self, scores: FloatArray, errors: FloatArray) -> FloatArray:
        certified: FloatArray = np.minimum(scores, scores - (self._factors()[:, None] - 1) * errors)
        return certified


class ArrayBoard(_LadderBoard):
    """The Ladder for all simulations at once, by arrays; `tests` hold it to the product's board."""

    def submit(self, contributions: FloatArray, *, was_told: bool = False) -> Shown:
        """As `Board.submit`; was_told: the exact scores were shown before the Ladder was turned on."""
        is_first, self.is_begun = not self.is_begun, True
        self._networks = contributions.shape[-1]
        scores, released = np.zeros(contributions.shape[:2]), np.zeros(contributions.shape[:2], dtype=bool)
        for place in range(contributions.shape[1]):
            new = contributions[:, place]
            score, error = np.clip(new.mean(axis=1), 0, HUNDRED), _errors(new)
            factor = self._factors()
            bound = score - factor * error
            if is_first and place == 0:
                self._best, self._bound, shown = new, np.zeros(len(new)), np.full(len(new), -1.0)
            else:
                shown = self._shown()
                difference = score - np.clip(self._best.mean(axis=1), 0, HUNDRED)
                bound = np.maximum(bound, self._bound + difference - factor * _errors(new - self._best))
            certified = np.clip(np.minimum(score, bound + error), 0, HUNDRED)
            in_steps = np.round(self._step * np.floor(np.round(certified / self._step, 7)), 7)
            better = in_steps > shown
            self._best = np.where(better[:, None], new, self._best)
            self._bound = np.where(better, np.maximum(bound, 0), self._bound)
            scores[:, place], released[:, place] = np.where(better, in_steps, shown), better
            self._remember(scores[:, place : place + 1], released[:, place : place + 1], was_told=was_told)
        return Shown(scores, released, is_first)

    def of_account(self, _number: int) -> "ArrayBoard":
        """The board of another account of each simulation."""
        return ArrayBoard(self._simulations, self._step)

    def close(self) -> None:
        pass


class ProductBoard(_LadderBoard):
    """The product: submissions with scores and jackknives in a database, decided by its standings."""

    def __init__(self, folder: Path, simulations: int, step: float) -> None:
        super().__init__(simulations, step)
        self._db = Database(f"sqlite:///{folder / 'ladder.sqlite'}")
        migrate(self._db)
        self._phase_id, self._zoo_id, self._user_id = self._prepare(step)
        self._entrants = [f"u{1000 + simulation}" for simulation in range(simulations)]
        self._next_id = 1
        self._best = np.zeros((simulations, 1))

    def of_account(self, number: int) -> "ProductBoard":
        """The same board as another account of each simulation sees it."""
        self.is_begun = False
        self._entrants = [f"u{(number + 1) * 10_000 + simulation}" for simulation in range(self._simulations)]
        self._memories = [Ladder(self._step) for _ in range(self._simulations)]
        return self

    def _prepare(self, step: float) -> tuple[int, int, int]:
        with self._db.write() as session:
            user = UserRecord(name="ada", name_key="ada")
            zoo = ZooRecord(name="zoo", title="Zoo", manifest_sha256="0", networks=1, truth_public=False)
            competition = CompetitionRecord(slug="ladder", title="Ladder")
            phase = PhaseRecord(
                slug="main", title="Main", opens_at=NOW, uses_ladder=True, score_step=step, competition=competition
            )
            session.add_all([user, zoo, phase])
            phase.zoo_links = [PhaseZooRecord(position=0, zoo=zoo)]
            session.flush()
            return phase.id, zoo.id, user.id

    def submit(self, contributions: FloatArray) -> Shown:
        is_first, self.is_begun = not self.is_begun, True
        simulations, count, self._networks = contributions.shape
        first = self._next_id
        self._next_id += simulations * count
        with self._db.write() as session:
            submissions, evaluations = self._rows(contributions, first, is_first)
            session.execute(insert(SubmissionRecord), submissions)
            session.execute(insert(EvaluationRecord), evaluations)
            standings.recount(session, self._phase_id, self._entrants)
            rows = session.execute(
                select(SubmissionRecord.shown_score, SubmissionRecord.is_released)
                .where(SubmissionRecord.id >= first)
                .order_by(SubmissionRecord.id)
            ).all()
        scores = np.array([score for score, _ in rows]).reshape(simulations, count)
        released = np.array([is_released for _, is_released in rows]).reshape(simulations, count)
        self._remember(scores, released)
        last = [count - 1 if not one.any() else int(np.flatnonzero(one)[-1]) for one in released]
        new = contributions[np.arange(simulations), last]
        changed = np.asarray(released.any(axis=1))[:, None]
        self._best = new if is_first else np.where(changed, new, self._best)
        return Shown(scores, released, is_first)

    def _rows(
        self, contributions: FloatArray, first: int, is_first: bool
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        simulations, count, networks = contributions.shape
        scores = np.clip(contributions.mean(axis=-1), 0, HUNDRED)
        errors = contributions.std(axis=-1, ddof=1) / math.sqrt(networks)
        needs = (
            self._needs_jackknife(contributions, scores, errors) if not is_first else np.ones(scores.shape, dtype=bool)
        )
        names = [f"n{network}" for network in range(networks)]
        submissions, evaluations = [], []
        for simulation, place in np.ndindex(simulations, count):
            score, error = float(scores[simulation, place]), float(errors[simulation, place])
            submission_id = first + simulation * count + place
            submissions.append(
                {
                    **_SUBMISSION,
                    **{"id": submission_id, "phase_id": self._phase_id, "user_id": self._user_id},
                    **{"entrant": self._entrants[simulation], "score": score, "standard_error": error},
                }
            )
            report = None
            if needs[simulation, place]:
                mine = contributions[simulation, place] / HUNDRED
                left_out = (mine.sum() - mine) / (networks - 1)
                report = {
                    "jackknife": {
                        "estimate": score / HUNDRED,
                        "standard_error": error / HUNDRED,
                        "left_out": dict(zip(names, left_out.tolist(), strict=True)),
                    }
                }
            evaluations.append(
                {
                    **{"submission_id": submission_id, "zoo_id": self._zoo_id, "attempt": 1, "position": 0},
                    **{"networks": networks, "state": State.SCORED, "cmi": score / HUNDRED, "report": report},
                }
            )
        return submissions, evaluations

    def _needs_jackknife(self, contributions: FloatArray, scores: FloatArray, errors: FloatArray) -> NDArray[np.bool_]:
        """Which submissions could be released; writing and reading the others' would take most of the time."""
        networks = contributions.shape[-1]
        difference = contributions - self._best[:, None]
        error = difference.std(axis=-1, ddof=1) / math.sqrt(networks)
        shown, factor = self._shown()[:, None], self._factors()[:, None]
        own = scores - (ALMOST * factor - 1) * errors
        best = np.clip(self._best.mean(axis=-1), 0, HUNDRED)[:, None]
        own_error = self._best.std(axis=-1, ddof=1)[:, None] / math.sqrt(networks)
        continued = shown + scores - best - ALMOST * factor * error + self._step + own_error
        needs: NDArray[np.bool_] = np.maximum(own, continued) >= shown
        return needs

    def close(self) -> None:
        self._db.close()


_SUBMISSION: dict[str, Any] = {
    **{"name": "m", "filename": "measure.py", "bundle_sha256": "0" * 64, "state": State.SCORED, "attempt": 1},
    **{"spends_quota": True, "is_baseline": False, "is_reference": False, "is_chosen": False, "is_released": False},
    **{"is_hidden": False, "is_disqualified": False, "description": "", "link": "", "track": "standard", "needs": []},
    **{"priority": 0, "created_at": NOW, "started_at": NOW, "finished_at": NOW},
}


def _errors(contributions: FloatArray) -> FloatArray:
    """The standard errors of the means over the last axis."""
    errors: FloatArray = contributions.std(axis=-1, ddof=1) / math.sqrt(contributions.shape[-1])
    return errors
