"""How fast `scoring` is: against the literal transcription of its definitions, and as zoos grow.

Run with `python -m benchmarks.scoring`. Ours and the literal run in turns in one process, on the same random
zoo; times are medians. Networks, values and targets are random: the cost does not depend on them.
"""

import time
from collections.abc import Callable
from itertools import product
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

from scoring import VARIANTS, Truth, Variant
from scoring.cmi import conditional_mutual_information
from scoring.pairs import FloatArray
from scoring.rank import kendall_tau
from tests.scoring import literal

SMALL = (2, 2, 2, 3, 2, 2)  # PGDL's task 1: 96 networks, 15 pairs of axes
GROWING = ((2, 2, 2, 3, 2, 2), (4, 4, 4, 3, 2), (5, 5, 5, 5), (5, 5, 5, 5, 4))
LITERAL_REPEATS = 5


def random_zoo(shape: tuple[int, ...]) -> tuple[Truth, FloatArray]:
    """A complete grid of that shape with normal targets, and values that follow them in part."""
    random = np.random.default_rng(2020)
    rows = np.array(list(product(*(range(size) for size in shape))))
    targets = random.normal(size=len(rows))
    axes = {f"axis{index}": list(range(size)) for index, size in enumerate(shape)}
    truth = Truth.from_arrays([f"n{index}" for index in range(len(rows))], targets, axes, rows)
    return truth, targets + random.normal(size=len(rows))


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def against_the_literal(console: Console) -> None:
    truth, values = random_zoo(SMALL)
    v, g, rows = values.tolist(), truth.targets.tolist(), truth.grid.coordinates.tolist()
    literally: dict[str, Callable[[], object]] = {
        "pgdl2020": lambda: literal.pgdl2020(v, g, rows, SMALL),
        "symmetrised": lambda: literal.symmetrised(v, g, rows),
        "paper": lambda: literal.paper(v, g, rows),
        "Kendall's τ": lambda: literal.tau_a(v, g),
    }
    ours = metrics(truth, values)
    table = Table(title=f"{len(rows)} networks, {len(SMALL)} axes: literal or ours")
    for heading in ("metric", "literal", "scoring", "times faster"):
        table.add_column(heading, justify="left" if heading == "metric" else "right")
    for name, slow in literally.items():
        fast = ours[name]
        fast()
        times = [(seconds(slow), median(seconds(fast) for _ in range(21))) for _ in range(LITERAL_REPEATS)]
        slow_s, fast_s = (median(column) for column in zip(*times, strict=True))
        table.add_row(name, f"{1e3 * slow_s:.1f} ms", f"{1e3 * fast_s:.2f} ms", f"{slow_s / fast_s:.0f}")
    console.print(table)


def metrics(truth: Truth, values: FloatArray) -> dict[str, Callable[[], object]]:
    """Everything `scoring` computes of one zoo, by name."""

    def cmi(variant: Variant) -> Callable[[], object]:
        return lambda: conditional_mutual_information(values, truth.targets, truth.grid, variant)

    by_variant: dict[str, Callable[[], object]] = {variant: cmi(variant) for variant in VARIANTS}
    return by_variant | {"Kendall's τ": lambda: kendall_tau(values, truth.targets)}


def growth(console: Console) -> None:
    table = Table(title="scoring as zoos grow (all conditioning sets of the variant)")
    for heading in ("networks", "grid", *VARIANTS, "Kendall's τ"):
        table.add_column(heading, justify="left" if heading == "grid" else "right")
    for shape in GROWING:
        truth, values = random_zoo(shape)
        actions = metrics(truth, values).values()
        times = [median(seconds(action) for _ in range(5)) for action in actions]
        grid = "·".join(str(size) for size in shape)
        table.add_row(str(len(values)), grid, *(f"{1e3 * time_s:.1f} ms" for time_s in times))
    console.print(table)


if __name__ == "__main__":
    terminal = Console()
    against_the_literal(terminal)
    growth(terminal)
