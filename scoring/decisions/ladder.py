"""The Ladder: what a team sees of its scores in a phase that shows them, so that asking often reveals little.

This module decides when a score is released and how coarsely it is shown. It is called through `scoring`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scoring.decisions.comparison import DECIMALS, SCALE, Jackknives, compare, competition_estimate


@dataclass(frozen=True)
class Release:
    """What a team sees after a submission.

    Attributes
    ----------
    shown : float
        The score of the team's best so far, rounded to a multiple of `step`, from 0 to 100.
    step : float
        The rounding step, a whole number.
    improved : bool
        Whether this submission is the one shown, the new best.
    """

    shown: float
    step: float
    improved: bool


def release(best: Jackknives | None, new: Jackknives) -> Release:
    """What a team sees after a new submission.

    The first score is always released; a later one is released if it beats the best by more than the jackknife
    standard error of their difference. Otherwise the best is shown again (the parameter-free Ladder). The score is
    shown to the nearest multiple of max(1, its standard error), a half to the even multiple. The standard error is
    first rounded up to a whole number, since a multiple of an exact one would reveal all its digits.

    Parameters
    ----------
    best : Mapping of str to Jackknife, or None
        The team's best, which is the one released last; None if there is none yet.
    new : Mapping of str to Jackknife
        The new submission's scores by zoo.

    Returns
    -------
    Release
        The score that the team sees, and whether it is the new one.

    Raises
    ------
    ComparisonError
        Unless both were scored on the same networks of the same zoos.

    References
    ----------
    Blum and Hardt 2015, arXiv:1502.04585.
    """
    improved = best is None or _beats(new, best)
    estimate = competition_estimate(new if best is None or improved else best)
    step = step_of(estimate.standard_error)
    return Release(in_steps(estimate.score, step), float(step), improved)


def step_of(standard_error: float) -> int:
    """The rounding step of a score.

    Parameters
    ----------
    standard_error : float
        Of the score, on the scale from 0 to 100.

    Returns
    -------
    int
        The standard error rounded up, at least 1.
    """
    return max(1, math.ceil(round(standard_error, DECIMALS)))


def in_steps(score: float, step: float) -> float:
    """Round a score to the nearest of 0, step, 2 step, …, and 100.

    Parameters
    ----------
    score : float
        From 0 to 100.
    step : float
        The distance of the steps; the last one is shorter if 100 is no multiple of it.

    Returns
    -------
    float
        Never off by more than half a step. A half goes to the even multiple.
    """
    last = step * math.floor(round(SCALE / step, DECIMALS))
    if score > last:
        return round(last, DECIMALS) if score - last < SCALE - score else float(SCALE)
    return round(step * round(round(score / step, DECIMALS)), DECIMALS)


def ladder(history: Sequence[Jackknives]) -> tuple[Release, ...]:
    """What a team saw after each of its submissions.

    Parameters
    ----------
    history : sequence of Mapping of str to Jackknife
        The submissions' scores by zoo, first to last.

    Returns
    -------
    tuple of Release
        One for each submission.

    Raises
    ------
    ComparisonError
        As `release` does.
    """
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
