"""How fast `scoring` is: against the literal transcription of its definitions, and as zoos grow.

Run with `python -m benchmarks.scoring`. On 96 networks ours, the literal and the competition's own program (by its
structure) run in turns in one process, on the same random zoo; times are medians, and the three must agree. Larger
zoos run in a process each, so that their peak of memory is their own. Everything runs on one core. Networks, values
and targets are random: the cost does not depend on them.
"""

import json
import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

from scoring import VARIANTS, Draws, Truth, Variant, references, report
from scoring.grid import FloatArray
from scoring.statistics.cmi import ConditionalMutualInformation
from scoring.statistics.jackknife import jackknife
from scoring.statistics.rank import kendall_tau
from scoring.statistics.uncertainty import permutation_test
from tests.scoring import literal, original

SMALL = (2, 2, 2, 3, 2, 2)  # PGDL's task 1: 96 networks, 15 pairs of axes
GROWING = ((2, 2, 2, 3, 2, 2, 1), (5, 5, 5, 5, 1, 1, 1), (5, 5, 5, 4, 5, 1, 1), (5, 5, 5, 4, 4, 5, 1))  # 7 axes each
LITERAL_UP_TO = 625
ROUNDS = 5
PERMUTATIONS = 1000
LITERAL_PERMUTATIONS = 5
ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Zoo:
    """A complete grid with normal targets, and values that follow them in part."""

    shape: tuple[int, ...]
    truth: Truth
    values: FloatArray

    @classmethod
    def random(cls, shape: tuple[int, ...]) -> "Zoo":
        random = np.random.default_rng(2020)
        rows = np.array(list(product(*(range(size) for size in shape))))
        targets = random.normal(size=len(rows))
        axes = {f"axis{index}": list(range(size)) for index, size in enumerate(shape)}
        truth = Truth.from_arrays([f"n{index}" for index in range(len(rows))], targets, axes, rows)
        return cls(shape, truth, targets + random.normal(size=len(rows)))

    @property
    def named_values(self) -> dict[str, float]:
        return dict(zip(self.truth.ids, self.values.tolist(), strict=True))

    @property
    def rows(self) -> list[list[int]]:
        rows: list[list[int]] = self.truth.grid.coordinates.tolist()
        return rows

    def prepared(self, variant: Variant = "pgdl2020") -> ConditionalMutualInformation:
        return ConditionalMutualInformation(self.truth.targets, self.truth.grid, variant)

    def literally(self, variant: Variant, values: list[float] | None = None, left_out: int | None = None) -> float:
        kept = [network for network in range(len(self.values)) if network != left_out]
        given = self.values.tolist() if values is None else values
        targets, rows = self.truth.targets.tolist(), self.rows
        score = literal.smallest(
            variant, [given[i] for i in kept], [targets[i] for i in kept], [rows[i] for i in kept], self.shape
        )
        assert score is not None
        return score

    def model_configs(self) -> dict[str, dict[str, object]]:
        return {
            network: {
                "hparams": {
                    axis.name: {"current_value": axis.values[index], "possible_values": list(axis.values)}
                    for axis, index in zip(self.truth.grid.axes, row, strict=True)
                },
                "metrics": {"train_acc": target, "test_acc": 0.0},
            }
            for network, row, target in zip(self.truth.ids, self.rows, self.truth.targets.tolist(), strict=True)
        }


@dataclass(frozen=True)
class Race:
    """Ours against a rival; both give the same number. rival_times: what of the work the rival does, as 1 / share."""

    work: str
    rival_name: str
    ours: Callable[[], float]
    rival: Callable[[], float]
    rival_times: int = 1


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def races(zoo: Zoo) -> list[Race]:
    """Everything of 96 networks, with its rival."""
    prepared = {variant: zoo.prepared(variant) for variant in VARIANTS}
    cmi, values = prepared["pgdl2020"], zoo.values
    model_configs, named_values = zoo.model_configs(), zoo.named_values

    def scored(variant: Variant) -> Callable[[], float]:
        return lambda: prepared[variant].score(values).minimum

    def literally(variant: Variant) -> Callable[[], float]:
        return lambda: zoo.literally(variant)

    def permuted() -> float:
        return float(np.mean(permutation_test(cmi, values, PERMUTATIONS, 0).scores[:LITERAL_PERMUTATIONS]))

    def jackknifed() -> float:
        found = jackknife(cmi, values)
        return math.nan if found is None else float(np.mean(list(found.left_out.values())))

    def permuted_literally() -> float:
        shuffled = np.random.default_rng(0).permuted(np.tile(values, (LITERAL_PERMUTATIONS, 1)), axis=1)
        return float(np.mean([zoo.literally("pgdl2020", order) for order in shuffled.tolist()]))

    return [
        *(Race(f"CMI, {variant}", "literal", scored(variant), literally(variant)) for variant in VARIANTS),
        Race(
            "CMI, pgdl2020, zoo not prepared",
            "literal",
            lambda: zoo.prepared().score(values).minimum,
            literally("pgdl2020"),
        ),
        Race(
            "CMI, pgdl2020",
            "competition's program",
            scored("pgdl2020"),
            lambda: original.conditional_mutual_information(named_values, model_configs),
        ),
        Race(
            "jackknife, pgdl2020",
            "literal",
            jackknifed,
            lambda: float(np.mean([zoo.literally("pgdl2020", left_out=i) for i in range(len(values))])),
        ),
        Race(
            f"{PERMUTATIONS} permutations, pgdl2020",
            "literal",
            permuted,
            permuted_literally,
            rival_times=PERMUTATIONS // LITERAL_PERMUTATIONS,
        ),
        Race(
            "Kendall's τ-a",
            "literal",
            lambda: kendall_tau(values, zoo.truth.targets).tau_a,
            lambda: literal.tau_a(values.tolist(), zoo.truth.targets.tolist()),
        ),
    ]


def against_the_literal(console: Console) -> None:
    zoo = Zoo.random(SMALL)
    table = Table(title=f"{len(zoo.values)} networks, {len(SMALL)} axes: rival or ours")
    for heading in ("work", "rival", "its time", "scoring", "times faster"):
        table.add_column(heading, justify="left" if heading in ("work", "rival") else "right")
    for race in races(zoo):
        if not np.isclose(race.ours(), race.rival(), rtol=0, atol=1e-9):
            raise SystemExit(f"{race.work}: ours is {race.ours()}, that of the {race.rival_name} is {race.rival()}")
        fast = max(1, int(0.01 / seconds(race.ours)))
        times = [
            (seconds(race.rival) * race.rival_times, median(seconds(race.ours) for _ in range(fast)))
            for _ in range(ROUNDS)
        ]
        slow_s, fast_s = (median(column) for column in zip(*times, strict=True))
        share = "" if race.rival_times == 1 else f" (1/{race.rival_times} of it, scaled)"
        table.add_row(race.work, race.rival_name + share, told(slow_s), told(fast_s), f"{slow_s / fast_s:.0f}")
    console.print(table)


def whole_reports(console: Console) -> None:
    """What one evaluation costs: the report without draws, with them, and the zoo's references."""
    zoo = Zoo.random(SMALL)
    actions: dict[str, Callable[[], object]] = {
        "report, no draws (jackknife included)": lambda: report(zoo.truth, zoo.named_values),
        "report, 1000 permutations": lambda: report(zoo.truth, zoo.named_values, draws=Draws()),
        "references, 1000 random predictors": lambda: references(zoo.truth),
    }
    table = Table(title=f"{len(zoo.values)} networks: whole reports")
    table.add_column("work")
    table.add_column("time", justify="right")
    for name, action in actions.items():
        action()
        table.add_row(name, told(median(seconds(action) for _ in range(ROUNDS))))
    console.print(table)


def growth(console: Console) -> None:
    table = Table(title="as zoos grow (7 axes, pgdl2020, one core, a process each)")
    for heading in ("networks", "grid", "CMI", "growth", "jackknife", "growth", "literal", "growth", "peak memory"):
        table.add_column(heading, justify="left" if heading == "grid" else "right")
    before: dict[str, float] = {}
    for shape in GROWING:
        grid = "·".join(str(size) for size in shape)
        child = subprocess.run(
            [sys.executable, "-m", "benchmarks.scoring", grid],
            capture_output=True,
            text=True,
            check=True,
        )
        found: dict[str, float] = json.loads(child.stdout)
        cells = []
        for name in ("cmi_s", "jackknife_s", "literal_s"):
            known = name in found
            cells.append(told(found[name]) if known else "—")
            cells.append(f"×{found[name] / before[name]:.1f}" if known and name in before else "")
        table.add_row(str(np.prod(shape)), grid, *cells, f"{found['peak_mib']:.0f} MiB")
        before = found
    console.print(table)


def measure_one(shape: tuple[int, ...]) -> dict[str, float]:
    """The times of one zoo, preparation included, and this process's peak of memory before the literal runs."""
    zoo = Zoo.random(shape)
    found = {
        "cmi_s": median(seconds(lambda: zoo.prepared().score(zoo.values)) for _ in range(ROUNDS)),
        "jackknife_s": seconds(lambda: jackknife(zoo.prepared(), zoo.values)),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    if len(zoo.values) <= LITERAL_UP_TO:
        found["literal_s"] = seconds(lambda: zoo.literally("pgdl2020"))
    return found


def told(time_s: float) -> str:
    return f"{time_s:.2f} s" if time_s >= 1 else f"{1e3 * time_s:.{0 if time_s >= 0.1 else 2}f} ms"


def main() -> None:
    if not ONE_CORE.items() <= os.environ.items():  # the libraries read it when they are loaded
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks.scoring", *sys.argv[1:]], os.environ | ONE_CORE)
    if len(sys.argv) > 1:
        print(json.dumps(measure_one(tuple(int(size) for size in sys.argv[1].split("·")))))
        return
    console = Console(width=120)
    against_the_literal(console)
    whole_reports(console)
    growth(console)


if __name__ == "__main__":
    main()
