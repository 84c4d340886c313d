"""The effect of chance: permutations of the values, redrawn test sets, random values. `scoring.report` calls it.

Every draw is seeded. Progress is reported after each batch of draws.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from scoring.decimals import rounded_differences
from scoring.grid import FloatArray
from scoring.statistics.cmi import ConditionalMutualInformation

Progress = Callable[[str, int, int], None]  # what, draws done, draws in all
NUMBERS_AT_A_TIME = 20_000
ROUNDING = 1e-12  # two orders of summation give the same score up to this


@dataclass(frozen=True)
class Permutation:
    """The permutation test of a CMI.

    Attributes
    ----------
    p_value : float
        (1 + #{θ* ≥ θ}) / (draws + 1).
    draws : int
        The number of permutations.
    seed : int
        The seed of the draws.
    scores : tuple of float
        θ*, the CMI of each permutation. Not in repr and JSON.
    """

    p_value: float
    draws: int
    seed: int
    scores: tuple[float, ...] = field(repr=False)


@dataclass(frozen=True)
class NoiseFromTestSet:
    """The CMI if the test accuracies had been measured on other test sets of the same size.

    Attributes
    ----------
    standard_deviation : float
        Of the CMI over the draws.
    mean : float
        Over the draws; below the score if noise hides part of the order.
    percentile_5, percentile_95 : float
        Of the draws (nearest rank).
    draws : int
        The number of draws that left something to predict.
    seed : int
        The seed of the draws.
    test_examples : int
        The size of the test set.
    """

    standard_deviation: float
    mean: float
    percentile_5: float
    percentile_95: float
    draws: int
    seed: int
    test_examples: int


@dataclass(frozen=True)
class RandomFloor:
    """The CMI of random values on a zoo: what a measure without any information gets.

    Attributes
    ----------
    mean, percentile_95 : float
        Over the draws, from 0 to 1 (nearest rank).
    draws : int
        The number of draws.
    seed : int
        The seed of the draws.
    scores : tuple of float
        The CMI of each draw. Not in repr and JSON.
    """

    mean: float
    percentile_95: float
    draws: int
    seed: int
    scores: tuple[float, ...] = field(repr=False)


def silent(what: str, done: int, total: int) -> None:
    """Report no progress.

    Parameters
    ----------
    what : str
        A description of the draws.
    done, total : int
        The draws done, and the draws in total.
    """


def permutation_test(
    cmi: ConditionalMutualInformation, values: FloatArray, draws: int, seed: int, progress: Progress = silent
) -> Permutation:
    """How often shuffled values, which are independent of the target, score at least as high.

    One-sided: only a large CMI speaks against chance. Scores that differ by less than 1e-12 count as equal.

    Parameters
    ----------
    cmi : ConditionalMutualInformation
        The CMI on the zoo.
    values : ndarray of float64, shape (n,)
        The values, finite.
    draws : int
        The number of permutations, at least 1.
    seed : int
        Equal seeds give equal draws.
    progress : callable, optional
        Called with a description, the draws done and the draws in total.

    Returns
    -------
    Permutation
        The p-value, with the scores of the permutations.

    References
    ----------
    Phipson and Smyth 2010, Permutation P-values Should Never Be Zero, for the 1 + and + 1.
    """
    random = np.random.default_rng(seed)
    estimate = cmi.minima(values[None])[0]
    scores = _in_batches(
        "permutations", draws, len(values), progress, lambda size: cmi.minima(_shuffled(values, size, random))
    )
    at_least = int(np.count_nonzero(scores >= estimate - ROUNDING))
    return Permutation((1 + at_least) / (draws + 1), draws, seed, tuple(scores.tolist()))


def random_floor(cmi: ConditionalMutualInformation, draws: int, seed: int, progress: Progress = silent) -> RandomFloor:
    """The CMI of random orders of the networks, without ties.

    Parameters
    ----------
    cmi : ConditionalMutualInformation
        The CMI on the zoo.
    draws : int
        The number of random orders, at least 1.
    seed : int
        Equal seeds give equal draws.
    progress : callable, optional
        Called with a description, the draws done and the draws in total.

    Returns
    -------
    RandomFloor
        Mean and 95th percentile, with the scores of the draws.
    """
    random = np.random.default_rng(seed)
    order = np.arange(len(cmi.grid.ids), dtype=np.float64)
    scores = _in_batches(
        "random predictors", draws, len(order), progress, lambda size: cmi.minima(_shuffled(order, size, random))
    )
    return RandomFloor(float(scores.mean()), nearest_rank(scores, 95), draws, seed, tuple(scores.tolist()))


def noise_from_test_set(
    cmi: ConditionalMutualInformation,
    values: FloatArray,
    targets: FloatArray,
    test_accuracies: FloatArray,
    slope: float,
    test_examples: int,
    draws: int,
    seed: int,
    progress: Progress = silent,
) -> NoiseFromTestSet | None:
    """The spread of the CMI over redrawn test accuracies, Binomial(test_examples, test_acc) / test_examples.

    The networks are redrawn independently, although they share a test set: an upper bound where their errors agree.

    Parameters
    ----------
    cmi : ConditionalMutualInformation
        The CMI on the zoo.
    values, targets, test_accuracies : ndarray of float64, shape (n,)
        The values, the targets and the test accuracies (from 0 to 1), finite.
    slope : float
        The change of the target per unit of test accuracy.
    test_examples : int
        The size of the test set.
    draws : int
        The number of redrawn test sets, at least 1.
    seed : int
        Equal seeds give equal draws.
    progress : callable, optional
        Called with a description, the draws done and the draws in total.

    Returns
    -------
    NoiseFromTestSet or None
        None if every draw leaves nothing to predict.
    """
    random = np.random.default_rng(seed)

    def redrawn(size: int) -> FloatArray:
        correct = random.binomial(test_examples, test_accuracies, size=(size, len(targets)))
        drawn = targets + slope * (correct / test_examples - test_accuracies)
        return cmi.minima_for_targets(rounded_differences(drawn, np.ones(len(targets))), values)

    scores = _in_batches("test sets", draws, len(values), progress, redrawn)
    scores = scores[np.isfinite(scores)]
    if not len(scores):
        return None
    return NoiseFromTestSet(
        float(scores.std()),
        float(scores.mean()),
        nearest_rank(scores, 5),
        nearest_rank(scores, 95),
        len(scores),
        seed,
        test_examples,
    )


def nearest_rank(numbers: FloatArray, percent: float) -> float:
    """A percentile by the nearest-rank method.

    Parameters
    ----------
    numbers : ndarray of float64, shape (n,)
        The numbers, n ≥ 1.
    percent : float
        From 0 to 100.

    Returns
    -------
    float
        The smallest of the numbers with at least that share of them at or below it.
    """
    return float(np.percentile(numbers, percent, method="inverted_cdf"))


def _shuffled(values: FloatArray, times: int, random: np.random.Generator) -> FloatArray:
    return random.permuted(np.broadcast_to(values, (times, len(values))), axis=1)


def _in_batches(
    what: str, draws: int, networks: int, progress: Progress, score: Callable[[int], FloatArray]
) -> FloatArray:
    scores = np.empty(draws)
    progress(what, 0, draws)
    for batch in _batches(draws, max(1, NUMBERS_AT_A_TIME // networks)):
        scores[batch] = score(batch.stop - batch.start)
        progress(what, batch.stop, draws)
    return scores


def _batches(total: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, total)) for start in range(0, total, size))
