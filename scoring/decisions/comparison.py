"""Which differences between scores are more than chance: the paired test of two measures, and rank intervals.

This module owns the standard error of a difference and the correction for testing many pairs. It is called through
`scoring`; `scoring.decisions.ladder` and `scoring.decisions.holdout` decide by the same comparison.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scoring.errors import ComparisonError, name_some, shown
from scoring.grid import FloatArray
from scoring.statistics.jackknife import Jackknife

Jackknives = Mapping[str, Jackknife]  # zoo → score with its jackknife: what a submission got in a competition
SCALE = 100  # from a zoo's CMI to the scores of leaderboards
DECIMALS = 7  # scores that agree to this many decimals are equal; finer differences are rounding errors
NEGLIGIBLE = 10.0**-DECIMALS


@dataclass(frozen=True)
class Estimate:
    """A competition's score and its standard error.

    Attributes
    ----------
    score : float
        From 0 to 100.
    standard_error : float
        Of the score, on its scale.
    """

    score: float
    standard_error: float


@dataclass(frozen=True)
class Comparison:
    """The paired test of two submissions on the same networks.

    Attributes
    ----------
    difference : float
        First minus second, on the scale from 0 to 100.
    standard_error : float
        Of the difference.
    z : float or None
        The difference over its standard error; None if the standard error is 0.
    p_value : float
        Two-sided.
    zoos : int
        The number of zoos on which the submissions were compared.
    """

    difference: float
    standard_error: float
    z: float | None
    p_value: float
    zoos: int


@dataclass(frozen=True)
class RankInterval:
    """A submission's rank, and the ranks that the data do not rule out: lowest ≤ rank ≤ highest.

    Attributes
    ----------
    rank : int
        One more than the number of submissions with a higher score, so that equal scores share it (1, 2, 2, 4).
    lowest, highest : int
        The ends of the interval.
    score : float
        From 0 to 100.
    standard_error : float
        Of the score, on its scale.
    """

    rank: int
    lowest: int
    highest: int
    score: float
    standard_error: float


@dataclass(frozen=True, eq=False)
class _Aligned:
    """Submissions with their networks in one order.

    scores: float64 of shape (submissions,). deviations: float64 of shape (submissions, networks of all zoos),
    the left-out scores about their zoo's mean, so scaled that the distance of two rows is the standard error
    of the difference of their scores.
    """

    scores: FloatArray
    deviations: FloatArray


def competition_estimate(jackknives: Jackknives) -> Estimate:
    """A competition's score and its standard error.

    The score is 100 × the unweighted mean of the zoos' scores. Its standard error is 100 · √(Σ SE²)/T over T zoos: the
    networks of different zoos are independent, so their variances add up.

    Parameters
    ----------
    jackknives : Mapping of str to Jackknife
        Zoo to its score with jackknife.

    Returns
    -------
    Estimate
        Score and standard error, on the scale from 0 to 100.

    Raises
    ------
    ComparisonError
        If there is no zoo.
    """
    zoos = len(jackknives)
    if not zoos:
        raise ComparisonError("there is no zoo; a competition's score needs at least one")
    score = SCALE * math.fsum(zoo.estimate for zoo in jackknives.values()) / zoos
    return Estimate(score, SCALE * math.hypot(*(zoo.standard_error for zoo in jackknives.values())) / zoos)


def compare(first: Jackknives, second: Jackknives) -> Comparison:
    """Test whether two submissions' scores differ by more than chance, by the jackknife of their difference.

    Per zoo SE² = (n−1)/n · Σ(d₋ᵢ − d̄)² with d₋ᵢ the difference of the two scores without network i; over T zoos 100 ·
    √(Σ SE²)/T. The p-value is two-sided from the normal distribution, but at least 2^(1−N) for N networks in all, the
    smallest that an exact sign-flip test of N networks can give. If the standard error is 0 (no network changes the
    difference, for example between the target itself and a constant), a difference gets that smallest p-value, and no
    difference gets 1. Differences and standard errors up to `NEGLIGIBLE` are rounding errors and count as 0.

    Parameters
    ----------
    first, second : Mapping of str to Jackknife
        Zoo to score with jackknife, for each of the two submissions.

    Returns
    -------
    Comparison
        The difference, its standard error and the p-value.

    Raises
    ------
    ComparisonError
        Unless both were scored on the same networks of the same zoos.

    References
    ----------
    Efron and Stein 1981, The Jackknife Estimate of Variance, Annals of Statistics 9.
    """
    aligned = _align(["the first", "the second"], [first, second])
    (difference,), (standard_error,) = _differences(aligned), _standard_errors(aligned)
    z = float(difference / standard_error) if standard_error else None
    (p_value,) = _p_values(aligned)
    return Comparison(float(difference), float(standard_error), z, float(p_value), len(first))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's adjusted p-values: those up to α are significant at α, all tests together.

    The j-th smallest of m is multiplied by m − j + 1, raised to the one before it if it is smaller, and cut off at 1.
    Whatever the dependence of the tests, the probability of any false rejection is at most α.

    Parameters
    ----------
    p_values : sequence of float
        The p-values of m tests.

    Returns
    -------
    tuple of float
        The adjusted p-values, in the order given.

    References
    ----------
    Holm 1979, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6.
    """
    return tuple(_holm(np.array(p_values, dtype=np.float64)).tolist())


def rank_intervals(submissions: Mapping[str, Jackknives], level: float = 0.05) -> Mapping[str, RankInterval]:
    """Each submission's rank, with the interval [1 + #{significantly better}, N − #{significantly worse}].

    Every pair is compared as `compare` does, and all N(N−1)/2 p-values are adjusted by `holm`; a pair differs
    significantly if its adjusted p-value is at most `level`. So all intervals hold at once with probability 1 − level
    or more (as far as the normal approximation of the tests holds).

    Parameters
    ----------
    submissions : Mapping of str to Mapping of str to Jackknife
        Name of the submission to its scores by zoo.
    level : float, optional
        The probability that any interval is wrong is at most this.

    Returns
    -------
    Mapping of str to RankInterval
        In the order of `submissions`.

    Raises
    ------
    ComparisonError
        If two submissions were not scored on the same networks of the same zoos. The message names them.
    """
    if not submissions:
        return {}
    aligned = _align([shown(name) for name in submissions], list(submissions.values()))
    total = len(submissions)
    first, second = np.triu_indices(total, k=1)
    significant = _holm(_p_values(aligned)) <= level
    ahead = _differences(aligned)[significant] > 0
    winners = np.where(ahead, first[significant], second[significant])
    losers = np.where(ahead, second[significant], first[significant])
    better = np.bincount(losers, minlength=total)
    worse = np.bincount(winners, minlength=total)
    agreed = np.round(aligned.scores, DECIMALS)
    higher = total - np.searchsorted(np.sort(agreed), agreed, side="right")
    intervals: dict[str, RankInterval] = {}
    for place, (name, jackknives) in enumerate(submissions.items()):
        estimate = competition_estimate(jackknives)
        intervals[name] = RankInterval(
            rank=1 + int(higher[place]),
            lowest=1 + int(better[place]),
            highest=total - int(worse[place]),
            score=estimate.score,
            standard_error=estimate.standard_error,
        )
    return intervals


def _align(names: Sequence[str], submissions: Sequence[Jackknives]) -> _Aligned:
    """names: how a message calls the submissions. Raises ComparisonError."""
    zoos = submissions[0]
    for name, others in zip(names[1:], submissions[1:], strict=True):
        _require_same_networks(names[0], zoos, name, others)
    blocks: list[FloatArray] = []
    for zoo, jackknife in zoos.items():
        networks = list(jackknife.left_out)
        if not networks:
            raise ComparisonError(f"the zoo {shown(zoo)} has no network; a comparison needs left-out scores")
        left_out = np.array([[jackknives[zoo].left_out[network] for network in networks] for jackknives in submissions])
        n = len(networks)
        deviations = left_out - left_out.mean(axis=1, keepdims=True)
        blocks.append(deviations * (SCALE * math.sqrt((n - 1) / n) / len(zoos)))
    scores = np.array([competition_estimate(jackknives).score for jackknives in submissions])
    return _Aligned(scores, np.hstack(blocks))


def _require_same_networks(first: str, zoos: Jackknives, second: str, others: Jackknives) -> None:
    if zoos.keys() != others.keys():
        odd = sorted(zoos.keys() ^ others.keys())
        raise ComparisonError(
            f"{first} and {second} were not scored on the same zoos: only one of them has {name_some(odd, len(odd))}; "
            "score both on the same zoos"
        )
    for zoo, jackknife in zoos.items():
        networks, other_networks = jackknife.left_out.keys(), others[zoo].left_out.keys()
        if networks != other_networks:
            odd = sorted(networks ^ other_networks)
            raise ComparisonError(
                f"{first} and {second} were not scored on the same networks of the zoo {shown(zoo)}: only one of "
                f"them has {name_some(odd, len(odd))}; score both against the same truth"
            )


def _differences(aligned: _Aligned) -> FloatArray:
    """Of the scores of every pair, in the order of np.triu_indices; shape (pairs,)."""
    first, second = np.triu_indices(len(aligned.scores), k=1)
    return _without_rounding(aligned.scores[first] - aligned.scores[second])


def _standard_errors(aligned: _Aligned) -> FloatArray:
    """Of the differences of every pair; shape (pairs,).

    Row by row rather than by products of rows: of nearly equal submissions those leave only rounding.
    """
    rows = [np.empty(0)]
    for place, row in enumerate(aligned.deviations[:-1], start=1):
        rows.append(np.linalg.norm(aligned.deviations[place:] - row, axis=1))
    return _without_rounding(np.concatenate(rows))


def _p_values(aligned: _Aligned) -> FloatArray:
    """Of every pair; shape (pairs,)."""
    differences, standard_errors = np.abs(_differences(aligned)), _standard_errors(aligned)
    z = np.divide(differences, standard_errors, out=np.where(differences > 0, np.inf, 0), where=standard_errors > 0)
    least = math.ldexp(1, 1 - aligned.deviations.shape[1])
    return np.array([max(math.erfc(root), least) for root in (z / math.sqrt(2)).tolist()])


def _without_rounding(numbers: FloatArray) -> FloatArray:
    return np.where(np.abs(numbers) <= NEGLIGIBLE, 0, numbers)


def _holm(p_values: FloatArray) -> FloatArray:
    order = np.argsort(p_values)
    steps = np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * steps), 1)
    return adjusted
