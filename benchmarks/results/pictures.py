"""The pictures of docs/results.md as small SVG files, the same bytes for the same numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from server.commands.local.baselines_scores import Row, ZooScores

mpl.use("svg")
# Text stays text, and nothing depends on the time or on chance.
mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "gengap", "font.family": "sans-serif", "font.size": 9})

COLOURS = ("#0b6e99", "#d1603d", "#4b8f29", "#8e4b9e")  # told apart by people who see no red or green, and by shape
MARKS = ("o", "s", "^", "D")
GREY = "#667079"
BEST = 10
LEAST_APART = 0.42  # of two labels, in units of the score
TICKS_S = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


def draw(results: Sequence[ZooScores], folder: Path) -> None:
    """Write results-tau.svg, results-best.svg and results-cost.svg."""
    for name, picture in (("tau", signs(results)), ("best", best(results)), ("cost", cost(results))):
        picture.savefig(folder / f"results-{name}.svg", format="svg", bbox_inches="tight", metadata={"Date": None})


def by_measure(results: Sequence[ZooScores]) -> dict[str, list[Row | None]]:
    """For each measure its scored row on every zoo, None where it has none."""
    tables = [{row.measure: row for row in zoo.rows if row.score is not None} for zoo in results]
    names = dict.fromkeys(row.measure for zoo in results for row in zoo.rows)
    return {name: [table.get(name) for table in tables] for name in names if any(name in table for table in tables)}


def signs(results: Sequence[ZooScores]) -> Figure:
    """A line for each measure: its Kendall's tau on every zoo, the steadiest measures on top."""
    rows = by_measure(results)
    order = sorted(rows, key=lambda name: _mean([row.kendall_tau for row in rows[name] if row is not None]))
    figure = Figure(figsize=(8.2, 0.17 * len(order) + 1.0))
    axes = figure.add_subplot()
    axes.axvline(0, color=GREY, linewidth=1)
    for place, name in enumerate(order):
        ends = [row.kendall_tau for row in rows[name] if row is not None and row.kendall_tau is not None]
        if ends:
            axes.plot([min(ends), max(ends)], [place, place], color="#c9d1d6", linewidth=1.2, zorder=1)
    for zoo, colour, mark, place in zip(results, COLOURS, MARKS, range(len(results)), strict=False):
        points = [
            (row.kendall_tau, height)
            for height, name in enumerate(order)
            if (row := rows[name][place]) is not None and row.kendall_tau is not None
        ]
        taus, heights = [tau for tau, _ in points], [height for _, height in points]
        axes.scatter(taus, heights, s=16, marker=mark, color=colour, label=zoo.zoo, zorder=2)
    axes.set_yticks(range(len(order)), order, fontsize=7)
    axes.set_ylim(-1, len(order))
    axes.set_xlim(-0.8, 0.8)
    axes.set_xlabel("Kendall's τ with the gap: right of 0, the measure points the right way")
    _tidy(axes, legend={"loc": "lower center", "bbox_to_anchor": (0.4, 1.0), "ncols": 4})
    return figure


def best(results: Sequence[ZooScores]) -> Figure:
    """A panel for each zoo: its ten best measures with standard errors, what chance gets, what hyperparameters get."""
    figure = Figure(figsize=(8.2, 5.6))
    panels = figure.subplots(2, 2).ravel()
    for zoo, axes, colour in zip(results, panels, COLOURS, strict=False):
        rows = [row for row in zoo.rows if row.score is not None][:BEST][::-1]
        scores = [row.score or 0.0 for row in rows]
        errors = [row.standard_error or 0.0 for row in rows]
        axes.errorbar(scores, range(len(rows)), xerr=errors, fmt="o", color=colour, elinewidth=1.2, markersize=4)
        axes.axvline(zoo.floor.random_percentile_95, color=GREY, linestyle="--", linewidth=1)
        axes.axvline(zoo.floor.hyperparameter_oracle, color=GREY, linestyle=":", linewidth=1.4)
        axes.set_yticks(range(len(rows)), [row.measure for row in rows], fontsize=7)
        axes.set_xlim(left=0)
        axes.set_title(zoo.zoo, fontsize=10, loc="left", fontweight="bold")
        _tidy(axes)
    figure.supxlabel(
        "score (100 × CMI) ± standard error; dashed: 95 % of random predictors below; dotted: oracle", size=9
    )
    figure.tight_layout()
    return figure


def cost(results: Sequence[ZooScores]) -> Figure:
    """What a measure costs against what it gets: seconds of a processor per network, and the mean score."""
    rows = by_measure(results)
    points = {
        name: (
            _mean([row.cpu_seconds for row in found if row is not None]),
            _mean([row.score for row in found if row is not None]),
        )
        for name, found in rows.items()
        if all(row is not None and row.cpu_seconds for row in found)
    }
    figure = Figure(figsize=(8.2, 3.8))
    axes = figure.add_subplot()
    axes.scatter([x for x, _ in points.values()], [y for _, y in points.values()], s=18, color=COLOURS[0])
    height = float("inf")
    for name in sorted(points, key=lambda each: -points[each][1])[:BEST]:
        seconds, score = points[name]
        height = min(score, height - LEAST_APART)  # below the label before
        line = {"arrowstyle": "-", "color": "#9aa5ab", "linewidth": 0.6}
        axes.annotate(name, (seconds, score), xytext=(1.12 * seconds, height), fontsize=7, va="center", arrowprops=line)
    axes.set_xscale("log")
    ticks = [tick for tick in TICKS_S if tick <= 1.2 * max((x for x, _ in points.values()), default=1.0)]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(bottom=0)
    axes.set_xlabel("seconds of one processor per network, mean over the zoos")
    axes.set_ylabel("mean score")
    _tidy(axes)
    return figure


def _mean(numbers: Sequence[float | None]) -> float:
    known = [number for number in numbers if number is not None]
    return sum(known) / len(known) if known else 0.0


def _tidy(axes: Any, legend: Mapping[str, object] | None = None) -> None:
    axes.grid(visible=True, axis="x", color="#e4e8ea", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if legend is not None:
        axes.legend(frameon=False, fontsize=8, **legend)
