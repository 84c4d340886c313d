"""How large the standard errors are, and how often θ ± 1.96 SE holds, by the zoo's size and the ties of its targets.

Run with `python -m benchmarks.standard_errors`; `--write` puts the tables into docs/metrics.md. The simulated zoos are
those of `benchmarks.coverage`, with fewer axes and with targets that tie. True values are means over fresh zoos. A
measure sees the targets before they are tied, so its own values have no ties. Zoos and measures are drawn anew, as if
the networks were trained again from other seeds.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.coverage import AXIS_EFFECTS, FAIR, GOOD, MISLED, NOISE, NORMAL_QUANTILE, Kind
from scoring.grid import Axis, FloatArray, Grid
from scoring.statistics.cmi import ConditionalMutualInformation
from scoring.statistics.jackknife import jackknife
from scoring.statistics.rank import kendall_tau

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
BEGIN, END = "<!-- standard errors: written by `python -m benchmarks.standard_errors --write` -->\n", "<!-- end -->"
SEED = 2020
REPLICATES = 400
FRESH_ZOOS = 2000
SHAPES: Mapping[int, tuple[int, ...]] = {
    8: (2, 2, 2),
    24: (2, 2, 2, 3),
    48: (2, 2, 2, 3, 2),
    96: (2, 2, 2, 3, 2, 2),
}
KINDS: Mapping[str, Kind] = {"good": GOOD, "fair": FAIR, "misled": MISLED, "noise": NOISE}
Tie = Callable[[FloatArray], FloatArray]
TIES: Mapping[str, Tie] = {
    "no ties": lambda targets: targets,
    "few distinct": np.rint,  # in steps of the networks' own noise: 4 to 9 different targets
    "half tied": lambda targets: np.maximum(targets, np.median(targets)),  # as where half of all gaps are 0
}


@dataclass(frozen=True)
class Estimates:
    """A statistic of each measure on each of many zoos, and its standard errors (nan where there is none).

    values, errors: shape (zoos, measures).
    """

    values: FloatArray
    errors: FloatArray


@dataclass(frozen=True)
class Quality:
    """How good a standard error is.

    held: the share of zoos where θ ± 1.96 SE holds the true value. size: the root mean square of the standard errors
    over the true standard deviation. undefined: the share of zoos without a standard error, which count in neither.
    """

    held: float
    size: float
    undefined: float


def zoos(random: np.random.Generator, networks: int, tie: Tie) -> Iterator[tuple[FloatArray, Grid, FloatArray]]:
    """Yield targets, grid, and the values of each measure (measures, networks), without end; no target is constant."""
    shape = SHAPES[networks]
    coordinates = np.array(list(product(*(range(size) for size in shape))), dtype=np.int64)
    axes = tuple(Axis(f"axis{index}", tuple(range(size))) for index, size in enumerate(shape))
    grid = Grid(axes, tuple(f"n{index}" for index in range(networks)), coordinates)
    effects = coordinates @ np.array(AXIS_EFFECTS[: len(shape)])
    while True:
        before = effects + random.normal(size=networks)
        values = [
            kind.signal * before + kind.noise * random.normal(size=networks) + kind.misled * coordinates[:, 0]
            for kind in KINDS.values()
        ]
        targets = tie(before)
        if targets.min() < targets.max():
            yield targets, grid, np.array(values)


def true_values(networks: int, tie: Tie, draws: int) -> tuple[FloatArray, FloatArray]:
    """Return score and τ-a of each measure on fresh zoos, shape (draws, measures) each."""
    fresh = zoos(np.random.default_rng((SEED, networks, 1)), networks, tie)
    scores, taus = np.empty((2, draws, len(KINDS)))
    for draw in range(draws):
        targets, grid, values = next(fresh)
        scores[draw] = 100 * ConditionalMutualInformation(targets, grid).minima(values)
        taus[draw] = [kendall_tau(own, targets).tau_a for own in values]
    return scores, taus


def estimates(networks: int, tie: Tie, replicates: int) -> tuple[Estimates, Estimates]:
    """Return what a user would see on so many zoos: scores, and τ-a, each with standard errors."""
    drawn = zoos(np.random.default_rng((SEED, networks, 2)), networks, tie)
    score, score_error, tau, tau_error = np.full((4, replicates, len(KINDS)), np.nan)
    for replicate in range(replicates):
        targets, grid, values = next(drawn)
        cmi = ConditionalMutualInformation(targets, grid)
        score[replicate] = 100 * cmi.minima(values)
        for place, own in enumerate(values):
            found, rank = jackknife(cmi, own), kendall_tau(own, targets)
            if found is not None:
                score_error[replicate, place] = 100 * found.standard_error
            assert rank.standard_error_a is not None, "there are at least 8 networks"
            tau[replicate, place], tau_error[replicate, place] = rank.tau_a, rank.standard_error_a
    return Estimates(score, score_error), Estimates(tau, tau_error)


def qualities(found: Estimates, fresh: FloatArray) -> list[Quality]:
    """Return the quality of the standard errors of each measure; fresh: the statistic on fresh zoos."""
    truth, deviation = fresh.mean(axis=0), fresh.std(axis=0, ddof=1)
    result = []
    for place in range(fresh.shape[1]):
        values, errors = found.values[:, place], found.errors[:, place]
        known = np.isfinite(errors)
        held = np.abs(values - truth[place])[known] <= NORMAL_QUANTILE * errors[known]
        size = math.sqrt(float(np.mean(errors[known] ** 2))) / float(deviation[place])
        result.append(Quality(float(held.mean()), size, float(1 - known.mean())))
    return result


def row(name: str, networks: int, replicates: int, fresh_zoos: int) -> tuple[str, str]:
    """Return the lines of the two tables, of score and of τ-a, for one pattern of ties and one size."""
    tie = TIES[name]
    lines = []
    for found, fresh, digits in zip(
        estimates(networks, tie, replicates), true_values(networks, tie, fresh_zoos), (1, 2), strict=True
    ):
        cells = [
            f"{round(float(value), digits) + 0.0:.{digits}f}: {cell(quality)}"
            for value, quality in zip(fresh.mean(axis=0), qualities(found, fresh), strict=True)
        ]
        lines.append(f"| {name} | {networks} | {' | '.join(cells)} |")
    return lines[0], lines[1]


def tables(replicates: int, fresh_zoos: int, jobs: int) -> str:
    """Return the tables of the documentation; `jobs` of their rows are computed at a time."""
    with ProcessPoolExecutor(jobs) as pool:
        made = [pool.submit(row, *case, replicates, fresh_zoos) for case in product(TIES, SHAPES)]
        scores, taus = zip(*(one.result() for one in made), strict=True)
    head = [f"| targets | networks | {' | '.join(KINDS)} |", "|---|--:|" + "--:|" * len(KINDS)]
    parts = [f"Of {of}:\n\n" + "\n".join([*head, *lines]) for of, lines in (("the score", scores), ("τ-a", taus))]
    error = 100 * math.sqrt(0.05 * 0.95 / replicates)
    note = f"{replicates} zoos per cell, true values from {fresh_zoos:,} more; a share near 95 %"
    return "\n\n".join([*parts, f"{note} has a Monte Carlo error of {error:.1f} %."]) + "\n"


def cell(quality: Quality) -> str:
    lacking = f", none in {quality.undefined:.0%}" if quality.undefined else ""
    return f"{quality.held:.0%}, {quality.size:.2f}{lacking}".replace("%", " %")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the size and the coverage of the standard errors.")
    parser.add_argument("--replicates", type=int, default=REPLICATES, help="zoos with standard errors, per row")
    parser.add_argument("--fresh-zoos", type=int, default=FRESH_ZOOS, help="zoos for the true values, per row")
    parser.add_argument("--jobs", type=int, default=1, help="rows at a time; set OPENBLAS_NUM_THREADS=1 beside it")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/metrics.md")
    arguments = parser.parse_args()
    made = tables(arguments.replicates, arguments.fresh_zoos, arguments.jobs)
    print(made)
    if arguments.write:
        before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
        PAGE.write_text(before + BEGIN + made + END + rest.split(END, 1)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
