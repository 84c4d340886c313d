"""Whether the intervals that `scoring` states hold as often as they say: a simulation whose truth is known.

Run with `python -m benchmarks.coverage`. Zoos of 96 networks on a fixed grid: a network's target is an additive
effect of its axes plus noise of its own, and measures know it more or less well, some of them equally well.
Every replicate draws all noise of networks and measures anew, as if the networks were trained again from other
seeds: that is the sampling that the jackknife speaks of. What an interval should hold is the expected score, the
mean over many fresh draws; measures of one kind have the same, and those of two kinds differ by far more than
that mean's error. A competition has several such zoos.
"""

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from rich.console import Console
from rich.table import Table

from scoring.decisions.comparison import Jackknives, compare, competition_estimate, rank_intervals
from scoring.grid import Axis, FloatArray, Grid
from scoring.statistics.cmi import ConditionalMutualInformation
from scoring.statistics.jackknife import Jackknife, jackknife

SEED = 2020
SHAPE = (2, 2, 2, 3, 2, 2)  # PGDL's task 1: 96 networks
AXIS_EFFECTS = (1.2, -0.8, 0.6, 0.5, 0.4, -0.3)  # on the target, per step along the axis
ZOOS = 4
REPLICATES = 250
FRESH_DRAWS = 20_000
LEVEL = 0.05
NORMAL_QUANTILE = 1.96


@dataclass(frozen=True)
class Kind:
    """A measure whose values are signal · target + noise · N(0, 1) + misled · position on the first axis."""

    signal: float
    noise: float
    misled: float


GOOD = Kind(signal=1, noise=0.5, misled=0)
FAIR = Kind(signal=1, noise=1, misled=0)
MISLED = Kind(signal=1, noise=1, misled=-3)
NOISE = Kind(signal=0, noise=1, misled=0)
ALIKE = {f"fair {number}": FAIR for number in range(1, 7)}
MIXED = {
    "good": GOOD,
    "fair 1": FAIR,
    "fair 2": FAIR,
    "misled 1": MISLED,
    "misled 2": MISLED,
    "noise": NOISE,
}


@dataclass(frozen=True)
class Expected:
    """A kind's expected score on one zoo, the error of that mean, and the standard deviation of its scores."""

    score: float
    error: float
    deviation: float


@dataclass(frozen=True)
class Replicate:
    """What one draw of a competition came to; lists in the order of MIXED or of the pairs of ALIKE.

    holds: whether θ ± 1.96 SE holds the expected score. variances: SE². ranks_hold: whether the rank interval
    holds all true ranks. ranks_open: how many ranks it leaves open. alike_hold: whether all rank intervals of
    the measures alike hold at once. alike_differ: whether two of them differ significantly, tested alone.
    """

    holds: list[bool]
    variances: list[float]
    ranks_hold: list[bool]
    ranks_open: list[int]
    alike_hold: bool
    alike_differ: list[bool]


class Simulation:
    """Draws zoos with measures' values on them, all from one seed."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        coordinates = np.array(list(product(*(range(size) for size in SHAPE))), dtype=np.int64)
        axes = tuple(Axis(f"axis{index}", tuple(range(size))) for index, size in enumerate(SHAPE))
        self._grid = Grid(axes, tuple(f"n{index}" for index in range(len(coordinates))), coordinates)
        self._effects = coordinates @ np.array(AXIS_EFFECTS)
        self._first_axis = coordinates[:, 0]

    def expected(self, kinds: Sequence[Kind], draws: int) -> dict[Kind, Expected]:
        """Of each kind, from so many fresh zoos."""
        scores = np.empty((draws, len(kinds)))
        for draw in range(draws):
            cmi, values = self._zoo(kinds)
            scores[draw] = 100 * cmi.minima(values)
        deviations = scores.std(axis=0, ddof=1).tolist()
        return {
            kind: Expected(score, deviation / math.sqrt(draws), deviation)
            for kind, score, deviation in zip(kinds, scores.mean(axis=0).tolist(), deviations, strict=True)
        }

    def submissions(self, measures: Mapping[str, Kind], zoos: int) -> dict[str, Jackknives]:
        """What each measure gets on so many fresh zoos."""
        scores: dict[str, dict[str, Jackknife]] = {name: {} for name in measures}
        for zoo in range(zoos):
            cmi, values = self._zoo(list(measures.values()))
            for name, its_values in zip(measures, values, strict=True):
                score = jackknife(cmi, its_values)
                assert score is not None, "normal targets stay uncertain without any one network"
                scores[name][f"zoo{zoo}"] = score
        return dict(scores)

    def _zoo(self, kinds: Sequence[Kind]) -> tuple[ConditionalMutualInformation, FloatArray]:
        """A fresh zoo, and the values of a measure of each kind: float64 of shape (kinds, networks)."""
        networks = len(self._effects)
        targets = self._effects + self._random.normal(size=networks)
        values = [
            kind.signal * targets + kind.noise * self._random.normal(size=networks) + kind.misled * self._first_axis
            for kind in kinds
        ]
        return ConditionalMutualInformation(targets, self._grid), np.array(values)


def true_ranks(kind: Kind, expected: Mapping[Kind, Expected]) -> tuple[int, int]:
    """The first and the last rank that a measure of MIXED truly has, shared with the others of its kind."""
    scores = [expected[other].score for other in MIXED.values()]
    score = expected[kind].score
    return 1 + sum(other > score for other in scores), sum(other >= score for other in scores)


def judged(submissions: Mapping[str, Jackknives], expected: Mapping[Kind, Expected]) -> Replicate:
    mixed = {name: submissions[name] for name in MIXED}
    alike = {name: submissions[name] for name in ALIKE}
    estimates = {name: competition_estimate(scores) for name, scores in mixed.items()}
    intervals = rank_intervals(mixed, LEVEL)
    ranks = {name: true_ranks(kind, expected) for name, kind in MIXED.items()}
    return Replicate(
        holds=[
            abs(estimates[name].score - expected[kind].score) <= NORMAL_QUANTILE * estimates[name].standard_error
            for name, kind in MIXED.items()
        ],
        variances=[estimate.standard_error**2 for estimate in estimates.values()],
        ranks_hold=[
            intervals[name].lowest <= first and last <= intervals[name].highest for name, (first, last) in ranks.items()
        ],
        ranks_open=[interval.highest - interval.lowest + 1 for interval in intervals.values()],
        alike_hold=all(
            (interval.lowest, interval.highest) == (1, len(alike)) for interval in rank_intervals(alike, LEVEL).values()
        ),
        alike_differ=[compare(*pair).p_value <= LEVEL for pair in combinations(alike.values(), 2)],
    )


def print_report(
    console: Console, zoos: int, replicates: Sequence[Replicate], expected: Mapping[Kind, Expected]
) -> None:
    def mean(part: Callable[[Replicate], Sequence[float]]) -> list[float]:
        means: list[float] = np.mean([part(replicate) for replicate in replicates], axis=0).tolist()
        return means

    title = "one zoo" if zoos == 1 else f"a competition of {zoos} zoos"
    table = Table(title=f"{title} of {math.prod(SHAPE)} networks, {len(replicates)} replicates", title_justify="left")
    for heading in (
        "measure",
        "expected score",
        "held by θ ± 1.96 SE",
        "SE / true SD",
        "true ranks",
        "held by the rank interval",
        "ranks it leaves open",
    ):
        table.add_column(heading, justify="left" if heading == "measure" else "right")
    holds, variances = mean(lambda found: found.holds), mean(lambda found: found.variances)
    ranks_hold, ranks_open = mean(lambda found: found.ranks_hold), mean(lambda found: found.ranks_open)
    for place, (name, kind) in enumerate(MIXED.items()):
        of_kind = expected[kind]
        first, last = true_ranks(kind, expected)
        table.add_row(
            name,
            f"{of_kind.score:.2f} ± {of_kind.error:.2f}",
            f"{holds[place]:.1%}",
            f"{math.sqrt(variances[place] * zoos) / of_kind.deviation:.2f}",
            f"{first}–{last}" if first < last else f"{first}",
            f"{ranks_hold[place]:.1%}",
            f"{ranks_open[place]:.2f}",
        )
    console.print(table)
    (at_once,) = mean(lambda found: [all(found.ranks_hold)])
    (alike_at_once,) = mean(lambda found: [found.alike_hold])
    alike_differ = np.mean(mean(lambda found: found.alike_differ))
    console.print(f"All rank intervals hold at once in {at_once:.1%} (nominal: at least {1 - LEVEL:.0%}).")
    console.print(f"Those of {len(ALIKE)} measures alike, which truly share all ranks, in {alike_at_once:.1%};")
    console.print(f"two of these differ significantly, tested alone, in {alike_differ:.1%} (nominal: {LEVEL:.0%}).")
    error = math.sqrt(LEVEL * (1 - LEVEL) / len(replicates))
    console.print(f"A share of 95% or 5% has a Monte Carlo error of {error:.1%} at {len(replicates)} replicates.\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how often the intervals of scoring hold.")
    parser.add_argument("--replicates", type=int, default=REPLICATES, help="competitions simulated")
    parser.add_argument("--fresh-draws", type=int, default=FRESH_DRAWS, help="zoos drawn for the expected scores")
    arguments = parser.parse_args()
    simulation = Simulation(SEED)
    expected = simulation.expected([GOOD, FAIR, MISLED, NOISE], arguments.fresh_draws)
    alone: list[Replicate] = []
    together: list[Replicate] = []
    for _ in range(arguments.replicates):
        submissions = simulation.submissions(ALIKE | MIXED, ZOOS)
        together.append(judged(submissions, expected))
        alone.append(judged({name: {"zoo0": scores["zoo0"]} for name, scores in submissions.items()}, expected))
    console = Console(width=110)
    print_report(console, 1, alone, expected)
    print_report(console, ZOOS, together, expected)


if __name__ == "__main__":
    main()
