"""Numbers of the page of results that no run computes: those published elsewhere, and those of a second machine.

Called by `benchmarks.results.page`.
"""

from collections.abc import Sequence

from benchmarks.results.shown import NONE, named, score
from server.commands.local.baselines_scores import Row, ZooScores

TASKS = ("1", "2", "4", "5", "6", "7", "8", "9")
# 100 x CMI as published by the teams and in later papers, in the order of TASKS; None where not published.
PUBLISHED: dict[str, tuple[float | None, ...]] = {
    "Davies-Bouldin times mixup": (25.22, 22.19, 31.79, 15.92, 43.99, 12.59, 9.24, 25.86),
    "Mixup margin": (1.11, 47.33, 43.22, 34.57, 11.46, 21.98, 1.48, 20.78),
    "Augment margin": (15.66, 48.34, 47.22, 22.82, 8.67, 11.97, 1.28, 15.25),
    "Label variation of mixtures": (6.07, 6.44, None, None, 13.90, 7.56, 16.23, 2.28),
    "kV-margin": (5.83, 29.11, 36.45, 17.51, 6.27, 2.11, 1.89, 13.89),
    "kV-GN-margin": (18.17, 45.24, 30.78, 15.66, 4.48, 3.91, 0.58, 21.85),
}
# Scores and τ-a of networks trained on a first and on a second machine.
TWO_MACHINES = {
    "Squared norm": ("0.89 and 0.91", "0.491 and 0.491", "0.38 and 0.43", "0.087 and 0.088"),
    "Inverse squared margin": ("2.03 and 1.98", "0.153 and 0.148", "0.31 and 0.30", "0.063 and 0.066"),
    "Product of spectral norms": ("0.37 and 0.37", "0.555 and 0.556", "0.52 and 0.53", "0.223 and 0.224"),
    "Davies-Bouldin index": ("2.04 and 1.98", "0.408 and 0.407", "1.81 and 1.77", "0.292 and 0.290"),
}


def published(results: Sequence[ZooScores], rows: dict[str, list[Row | None]]) -> str:
    lines = [
        "## Compared with the competition's numbers",
        "",
        "Scores published for the tasks of PGDL (NeurIPS 2020), by the teams and in later papers.",
        "**These are different networks** (VGG, network in network and similar ones on CIFAR-10, SVHN, CINIC-10,",
        "Flowers, Pets and Fashion-MNIST), and were computed by other code: do not compare columns with each other.",
        "",
        "| measure | "
        + " | ".join(f"task {task}" for task in TASKS)
        + " | "
        + " | ".join(zoo.zoo for zoo in results)
        + " |",
        "|---|" + "---|" * (len(TASKS) + len(results)),
    ]
    for name, scores in PUBLISHED.items():
        theirs = " | ".join(NONE if score is None else f"{score:.2f}" for score in scores)
        own = " | ".join(
            NONE if row is None else f"**{score(row):.2f}**" for row in rows.get(name, [None] * len(results))
        )
        lines.append(f"| {name} | {theirs} | {own} |")
    lines += [
        "",
        "Our scores are in bold. In the competition's last phase, the mean scores over all hidden tasks were 22.92",
        "(Davies-Bouldin times mixup, the winner) and 9.99 (label variation of mixtures, third place). Rows of the",
        "winner and of label variation are the improved versions. On the competition's own networks compare",
        "[the exact ones](measures.md#the-competitions-measures-exact-and-improved), whose names end in (PGDL).",
    ]
    return "\n".join(lines)


def two_machines(later: Sequence[str]) -> str:
    lines = [
        "**Training differs by machine.** Four trainings of digits-mlp on one machine gave the same bytes of weights.",
        "On a second machine, the same recipes gave networks that differ a little, and so do their gaps and values:",
        "expect other digits on yours. Four measures on both:",
        "",
        "| measure | digits-mlp: score | τ-a | digits-cnn: score | τ-a |",
        "|---|---|---|---|---|",
        *(f"| {name} | {' | '.join(cells)} |" for name, cells in TWO_MACHINES.items()),
    ]
    if later:
        lines += [
            "",
            f"On this page, the rows of {named(later)} are of the second machine, all others of the first.",
        ]
    return "\n".join(lines)
