"""The scores of shipped measures as one self-contained HTML page: a picture and a table for each zoo.

Written by `gengap baselines run --html`.
"""

from collections.abc import Sequence

from server.charts.specifications import Spec, chart, quantity, target_name
from server.commands.local.baselines_scores import ZooScores, environments, reference_scores
from server.presentation.standalone_page import chart_address, standalone_page

_ROW_PX = 21
_FEWEST_ROWS = 8
_MEASURE, _FLOOR, _ORACLE = "score ± standard error", "95 % of random predictors below", "hyperparameter oracle"


def page(zoos: Sequence[ZooScores]) -> str:
    """Return the HTML of the page."""
    return standalone_page(
        "baselines.html",
        zoos=[
            (
                zoo,
                target_name(zoo.target),
                chart_address(dot_plot(zoo)),
                reference_scores(zoo.floor),
                environments(zoo.rows),
            )
            for zoo in zoos
        ],
    )


def dot_plot(zoo: ZooScores) -> Spec:
    """Return a chart with a row for each scored measure, best first: its score and one standard error to each side.

    One line marks the 95th percentile of random predictors, another the hyperparameter oracle.
    """
    scored = [row for row in zoo.rows if row.score is not None]
    data = [
        {
            "measure": row.measure,
            "group": row.group,
            "score": row.score,
            "error": row.standard_error,
            "low": (row.score or 0.0) - (row.standard_error or 0.0),
            "high": (row.score or 0.0) + (row.standard_error or 0.0),
            "tau": row.kendall_tau,
        }
        for row in scored
    ]
    place = {
        "field": "measure",
        "type": "nominal",
        "sort": [row.measure for row in scored],
        "title": None,
        "axis": {"labelLimit": 260, "grid": True, "tickSize": 0, "domain": False},
    }
    tooltip = [
        {"field": "measure", "title": "measure"},
        {"field": "group", "title": "group"},
        {"field": "score", "title": "score", "format": ".2f"},
        {"field": "error", "title": "standard error", "format": ".2f"},
        {"field": "tau", "title": "Kendall's τ-a", "format": ".3f"},
    ]
    row = {"y": place, "color": _colour(_MEASURE), "tooltip": tooltip}
    return chart(
        f"Scores of {len(scored)} measures on the zoo {zoo.zoo}, with their standard errors.",
        data,
        _ROW_PX * max(len(scored), _FEWEST_ROWS),
        layer=[
            _reference(zoo.floor.random_percentile_95, _FLOOR, [6, 3]),
            _reference(zoo.floor.hyperparameter_oracle, _ORACLE, [2, 3]),
            {
                "mark": {"type": "rule", "strokeWidth": 1.5},
                "encoding": {**row, "x": _scores("low"), "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                "encoding": {**row, "x": _scores("score")},
            },
        ],
    )


def _reference(score: float, name: str, dash: list[int]) -> Spec:
    """Return a vertical line across all rows."""
    return {
        "data": {"values": [{"reference": name, "score": score}]},
        "mark": {"type": "rule", "strokeWidth": 2, "strokeDash": dash},
        "encoding": {
            "x": _scores("score"),
            "color": _colour(name),
            "tooltip": [
                {"field": "reference", "title": "reference"},
                {"field": "score", "title": "score", "format": ".2f"},
            ],
        },
    }


def _scores(field: str) -> Spec:
    return quantity(field, "score (100 × CMI)", axis={"tickCount": 8})


def _colour(name: str) -> Spec:
    return {
        "datum": name,
        "type": "nominal",
        "scale": {"domain": [_MEASURE, _FLOOR, _ORACLE]},
        "legend": {"orient": "top", "direction": "horizontal", "title": None, "labelLimit": 300, "columns": 1},
    }
