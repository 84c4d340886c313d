"""The pictures of a result, each with title, caption and a table of its numbers, for pages and downloads.

Called by `server.pages.submission.result`. `server.charts.result_charts` makes the specifications.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from scoring.plain import Scalar, csv_cell, rows, set_name
from server.charts.result_charts import bars_by_axis, cumulative, heat_map, histogram
from server.charts.specifications import target_name, value_against_target
from submissions.results.rounded_times import TimeBin
from submissions.results.submission_result import Report, Result, SignErrors, ZooResult
from submissions.results.values_and_targets import ZooPoints

Row = tuple[Scalar, ...]
VALUES = "values"


@dataclass(frozen=True)
class Picture:
    """One picture of one zoo. `rows` are its unrounded numbers under `columns`; `draw` makes its specification."""

    key: str
    title: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    draw: partial[dict[str, Any]]


def pictures(zoo: ZooResult) -> tuple[Picture, ...]:
    """Return the pictures of one zoo that do not need the truth, if there are numbers for them."""
    found = [] if zoo.report is None else _of_report(zoo.report)
    if zoo.times:
        found.append(_times(zoo.times))
    return tuple(found)


def values_picture(points: ZooPoints, coloured_by: int = 0) -> Picture:
    """Return values against targets on a zoo with public truth."""
    return Picture(
        key=VALUES,
        title=f"Value against {target_name(points.target)}",
        caption="Each point is a network. The points of a good measure rise from left to right, also those of a single "
        "colour.",
        columns=("network", "value", points.target, *points.axes),
        rows=tuple(
            (point.network_id, point.value, point.truth, *(point.hyperparameters[axis] for axis in points.axes))
            for point in points.points
        ),
        draw=partial(value_against_target, points, coloured_by),
    )


def as_csv(columns: Sequence[str], content: Sequence[Row]) -> str:
    """Return a table with its header, with all digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([csv_cell(cell) for cell in row] for row in (columns, *content))
    return text.getvalue()


def result_rows(result: Result) -> tuple[Row, ...]:
    """Return everything that a reader sees of a result, one number per row: zoo (empty: all), metric, of, number."""
    whole = (
        ("score", result.score),
        ("standard_error", result.standard_error),
        ("rank_lowest", result.rank_lowest),
        ("rank_highest", result.rank_highest),
    )
    found: list[Row] = [("", metric, "", number) for metric, number in whole]
    for zoo in result.zoos:
        found += [(zoo.name, metric.removeprefix("report."), of, number) for metric, of, number in rows(zoo)]
    return tuple(found)


def _of_report(report: Report) -> list[Picture]:
    found = [
        Picture(
            key="cmi",
            title="What is left once two axes are known",
            caption="CMI for each pair of axes held fixed. The smallest (framed) is the score: there the measure adds "
            "least to the two axes.",
            columns=("held fixed", "CMI", "is the score"),
            rows=tuple((set_name(entry.axes), entry.cmi, entry.attains) for entry in report.sets),
            draw=partial(heat_map, report.sets),
        ),
        Picture(
            key="axes",
            title="Along each axis alone",
            caption="ψ of networks that differ on one axis only: 1 if ordered as their targets, 0 by chance, "
            "−1 if reversed.",
            columns=("axis", "ψ"),
            rows=tuple((one.axis, one.number) for one in report.psi_by_axis),
            draw=partial(bars_by_axis, report.psi_by_axis),
        ),
    ]
    if report.sign_errors is not None and report.sign_errors.cdf:
        found.append(_sign_errors(report.sign_errors))
    return found


def _sign_errors(errors: SignErrors) -> Picture:
    changes = tuple(
        (f"{change.axis}: {change.first} → {change.second}", change.pairs, change.sign_error)
        for change in sorted(errors.changes, key=lambda change: -change.sign_error)
    )
    return Picture(
        key="changes",
        title="How often it is wrong about a change",
        caption="Share of the changes of one hyperparameter with at most a given sign error, among those that noise "
        "cannot explain. The further left the curve, the better; a coin toss is wrong half of the time (dashed).",
        columns=("change", "pairs of networks", "sign error")
        if changes
        else ("sign error at most", "share of changes"),
        rows=changes or tuple((step.sign_error, step.share) for step in errors.cdf),
        draw=partial(cumulative, errors.cdf),
    )


def _times(bins: Sequence[TimeBin]) -> Picture:
    return Picture(
        key="times",
        title="Time per network",
        caption="Wall time of the measure per network, in round bins.",
        columns=("from, seconds", "to, seconds", "networks"),
        rows=tuple((one.from_s, one.to_s, one.networks) for one in bins),
        draw=partial(histogram, bins),
    )
