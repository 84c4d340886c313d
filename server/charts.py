"""Charts as Vega-Lite specifications, drawn by static/charts.js. Called by the submission page.

Plain dictionaries rather than Altair's, whose import costs 26 MB and 0.2 s of a web process held to 200 MB
and 3 s. Colours and fonts are not here: charts.js takes them from the style sheet, and so follows its dark side.
"""

from collections.abc import Sequence
from typing import Any

from submissions.points import Point, ZooPoints

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
LOG_SCALE_RATIO = 100.0


def value_against_gap(points: ZooPoints) -> dict[str, Any]:
    """A scatter of the networks: value across, gap upwards, coloured by the zoo's first axis.

    A click in the legend singles out one setting of that axis. Values that are positive and spread over
    more than two orders of magnitude get a logarithmic scale.
    """
    colour = _field(0)
    shown = [("value", "value"), ("gap", "gap"), *((_field(i), name) for i, name in enumerate(points.axes))]
    return {
        "$schema": SCHEMA,
        "description": f"Value of the measure against generalization gap for {len(points.points)} networks.",
        "width": "container",
        "height": 320,
        "data": {"values": [_datum(point, points.axes) for point in points.points]},
        "params": [{"name": "chosen", "select": {"type": "point", "fields": [colour]}, "bind": "legend"}],
        "mark": {"type": "point", "filled": True, "size": 64},
        "encoding": {
            "x": {
                "field": "value",
                "type": "quantitative",
                "title": "value of the measure",
                "axis": {"grid": False, "tickCount": 7},
                "scale": {"type": "log"} if _is_wide(points) else {"zero": False},
            },
            "y": {
                "field": "gap",
                "type": "quantitative",
                "title": "generalization gap",
                "axis": {"format": ".0%", "tickCount": 6},
                "scale": {"zero": False},
            },
            "color": {
                "field": colour,
                "type": "ordinal",
                "title": points.axes[0],
                "legend": {"orient": "top", "direction": "horizontal"},
            },
            "opacity": {"condition": {"param": "chosen", "value": 0.85}, "value": 0.12},
            "tooltip": [
                {"field": field, "title": title, **({"format": ".6g"} if field in ("value", "gap") else {})}
                for field, title in shown
            ],
        },
    }


def _datum(point: Point, axes: Sequence[str]) -> dict[str, Any]:
    hyperparameters = {_field(index): point.hyperparameters[name] for index, name in enumerate(axes)}
    return {"value": point.value, "gap": point.gap, **hyperparameters}


def _field(axis_index: int) -> str:
    """An axis as a field's name: Vega would read a dot in the axis's own name as a path."""
    return f"axis{axis_index}"


def _is_wide(points: ZooPoints) -> bool:
    values = [point.value for point in points.points]
    return bool(values) and min(values) > 0 and max(values) > LOG_SCALE_RATIO * min(values)
