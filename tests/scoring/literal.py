"""The metrics as docs/metrics.md writes them, pair by pair and cell by cell: slow and obvious.

The tests hold `scoring` to it, and benchmarks/scoring.py measures against it. It shares no code with
`scoring`.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations, product

Row = Sequence[int]
Signs = tuple[int, int]
Table = dict[Signs, float]
ByAxes = dict[tuple[int, ...], float | None]


def smallest(
    variant: str, values: Sequence[float], targets: Sequence[float], rows: Sequence[Row], shape: Sequence[int]
) -> float | None:
    """The zoo's CMI: the least over the conditioning sets that count; None if none does."""
    if variant == "pgdl2020":
        table = pgdl2020(values, targets, rows, shape)
    else:
        table = {"symmetrised": symmetrised, "paper": paper}[variant](values, targets, rows)
    return min((score for score in table.values() if score is not None), default=None)


def pgdl2020(values: Sequence[float], targets: Sequence[float], rows: Sequence[Row], shape: Sequence[int]) -> ByAxes:
    """Pairs of axes → mean I / mean H over all cells, over ordered pairs of networks including a = b."""
    networks = range(len(rows))
    scores: ByAxes = {}
    for h1, h2 in combinations(range(len(shape)), 2):
        information = entropy = 0.0
        cells: dict[tuple[int, ...], Table] = {
            cell: {(s, t): 0.0 for s in (1, -1) for t in (1, -1)}
            for cell in product(range(shape[h1]), range(shape[h1]), range(shape[h2]), range(shape[h2]))
        }
        for a, b in product(networks, networks):
            cell = (rows[a][h1], rows[b][h1], rows[a][h2], rows[b][h2])
            outcome = (1 if targets[a] > targets[b] else -1, 1 if values[a] > values[b] else -1)
            cells[cell][outcome] += 1
        for table in cells.values():
            information += mutual_information(table)
            entropy += target_entropy(table, epsilon=1e-12)
        scores[h1, h2] = (information / len(cells)) / (entropy / len(cells))
    return scores


def symmetrised(values: Sequence[float], targets: Sequence[float], rows: Sequence[Row]) -> ByAxes:
    """As `pgdl2020` with a ≠ b, ties split evenly, no epsilon, without empty cells. None: H is 0."""
    scores: ByAxes = {}
    for h1, h2 in combinations(range(len(rows[0])), 2):
        cells: dict[tuple[int, ...], Table] = defaultdict(lambda: defaultdict(float))
        for a, b in combinations(range(len(rows)), 2):
            for first, second in ((a, b), (b, a)):
                cell = (rows[first][h1], rows[second][h1], rows[first][h2], rows[second][h2])
                for s, target_share in split(targets[first], targets[second]):
                    for t, value_share in split(values[first], values[second]):
                        cells[cell][s, t] += target_share * value_share
        information = [mutual_information(table) for table in cells.values()]
        entropy = [target_entropy(table) for table in cells.values()]
        scores[h1, h2] = (sum(information) / len(cells)) / (sum(entropy) / len(cells)) if sum(entropy) > 0 else None
    return scores


def paper(values: Sequence[float], targets: Sequence[float], rows: Sequence[Row]) -> ByAxes:
    """Sets of at most two axes → I(V_μ; V_g | U_S) / H(V_g | U_S), V the sign, a ≠ b. None: H is 0."""
    axes = range(len(rows[0]))
    sets = [(), *combinations(axes, 1), *combinations(axes, 2)]
    return {chosen: paper_given(values, targets, rows, chosen) for chosen in sets}


def paper_given(
    values: Sequence[float], targets: Sequence[float], rows: Sequence[Row], chosen: Sequence[int]
) -> float | None:
    cells: dict[tuple[int, ...], Table] = defaultdict(lambda: defaultdict(float))
    pairs = 0
    for a, b in product(range(len(rows)), repeat=2):
        if a != b:
            cell = tuple(rows[network][axis] for axis in chosen for network in (a, b))
            cells[cell][sign(targets[a], targets[b]), sign(values[a], values[b])] += 1
            pairs += 1
    information = entropy = 0.0
    for table in cells.values():
        probability = sum(table.values()) / pairs
        information += probability * mutual_information(table)
        entropy += probability * target_entropy(table)
    return information / entropy if entropy > 0 else None


def tau_a(values: Sequence[float], targets: Sequence[float]) -> float:
    n = len(values)
    total = sum(sign(values[a], values[b]) * sign(targets[a], targets[b]) for a, b in product(range(n), repeat=2))
    return total / (n * (n - 1))


def mutual_information(table: Table) -> float:
    """In bits, of the joint distribution that the counts make."""
    total = sum(table.values())
    information = 0.0
    for (s, t), count in table.items():
        if count > 0:
            target = sum(c for (other, _), c in table.items() if other == s) / total
            value = sum(c for (_, other), c in table.items() if other == t) / total
            information += count / total * math.log2(count / total / (target * value))
    return information


def target_entropy(table: Table, epsilon: float = 0.0) -> float:
    """In bits, of the target's sign."""
    total = sum(table.values())  # 0 in a cell whose only network was left out: no outcome, no entropy
    entropy = 0.0
    for s in {s for s, _ in table}:
        count = sum(c for (other, _), c in table.items() if other == s)
        if count > 0:
            probability = count / total
            entropy -= probability * math.log2(probability + epsilon)
    return entropy


def sign(a: float, b: float) -> int:
    return 1 if a > b else -1 if a < b else 0


def split(a: float, b: float) -> list[tuple[int, float]]:
    return [(1, 0.5), (-1, 0.5)] if a == b else [(sign(a, b), 1.0)]
