"""The Ladder: what a team sees of its scores in a phase that shows them, so that asking often teaches little.

Owns when a score is released and how coarsely it is shown. Called through `scoring`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scoring.comparison import DECIMALS, SCALE, Jackknives, compare, competition_estimate


@dataclass(frozen=True)
class Release:
    """What a team sees after a submission.

    shown: a multiple of `step`, from 0 to 100; the score of the team's best so far. step: how finely it is
    shown, a whole number. improved: whether this submission is the one shown, the new best.
    """

    shown: float
    step: float
    improved: bool


def release(best: Jackknives | None, new: Jackknives) -> Release:
    """What a team sees after a new submission, given its best, the one that was released last (None: none yet).

    The new score is released if it beats the best by more than the jackknife standard error of their
    difference, and the first one always; otherwise the best is repeated (the parameter-free Ladder of Blum and
    Hardt 2015). It is shown to the nearest multiple of max(1, its standard error), a half to the even multiple;
    the standard error is first rounded up to a whole number, since a multiple of an exact one would give
    away all its digits. Raises ComparisonError unless both were scored on the same networks of the same zoos.
    """
    improved = best is None or _beats(new, best)
    estimate = competition_estimate(new if best is None or improved else best)
    step = step_of(estimate.standard_error)
    return Release(in_steps(estimate.score, step), float(step), improved)


def step_of(standard_error: float) -> int:
    """How finely a score with this standard error is shown, both on the scale from 0 to 100: at least 1."""
    return max(1, math.ceil(round(standard_error, DECIMALS)))


def in_steps(score: float, step: int) -> float:
    """The multiple of `step` nearest to a score from 0 to 100, itself at most 100; a half goes to the even multiple."""
    multiples = min(round(round(score / step, DECIMALS)), SCALE // step)
    return float(step * multiples)


def ladder(history: Sequence[Jackknives]) -> tuple[Release, ...]:
    """What a team saw after each of its submissions, first to last. Raises ComparisonError, as `release` does."""
    releases: list[Release] = []
    best: Jackknives | None = None
    for new in history:
        releases.append(release(best, new))
        if releases[-1].improved:
            best = new
    return tuple(releases)


def _beats(new: Jackknives, best: Jackknives) -> bool:
    comparison = compare(new, best)
    return comparison.difference > comparison.standard_error
