"""Common parts of the charts: Vega-Lite specifications as plain dictionaries, drawn by static/charts.js.

Altair is not used, because importing it costs 26 MB and 0.2 s of the web process's budget of 200 MB and 3 s. Colours
and fonts are not here: charts.js takes them from the style sheet, which also has a dark mode.
"""

from collections.abc import Sequence
from typing import Any

from submissions.results.values_and_targets import Point, ZooPoints

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
LOG_SCALE_RATIO = 100.0
COLOURS = 6  # of charts.js
_NAMES = {
    "gap": "generalization gap",
    "test_error": "test error",
    "loss_gap": "loss gap",
    "calibration_gap": "calibration gap",
    "ood_gap": "gap out of distribution",
    "robust_gap": "gap under attack",
}
_SHARES = frozenset(_NAMES) - {"loss_gap"}


def target_name(target: str) -> str:
    """Return the name of a target in words; the name of a metric stays as it is."""
    return _NAMES.get(target, target)


def value_against_target(points: ZooPoints, coloured_by: int = 0) -> dict[str, Any]:
    """Return a scatter plot of the networks: value on x, target on y, coloured by one of the zoo's axes (an index).

    A click in the legend highlights one value of that axis. Positive values that span more than two orders of magnitude
    get a logarithmic scale. An axis with many numbers has a continuous colour scale.
    """
    colour = _field(coloured_by)
    target = target_name(points.target)
    shown = [("value", "value"), ("truth", target), *((_field(i), name) for i, name in enumerate(points.axes))]
    return {
        "$schema": SCHEMA,
        "description": f"Value of the measure against {target} for {len(points.points)} networks.",
        "width": "container",
        "height": 340,
        "autosize": {"type": "fit", "contains": "padding"},
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
                "field": "truth",
                "type": "quantitative",
                "title": target,
                "axis": {"format": ".0%" if points.target in _SHARES else ".3~g", "tickCount": 6},
                "scale": {"zero": False},
            },
            "color": {
                "field": colour,
                "type": "quantitative" if _is_many_numbers(points, points.axes[coloured_by]) else "ordinal",
                "title": points.axes[coloured_by],
                "legend": {"orient": "top", "direction": "horizontal"},
            },
            "opacity": {"condition": {"param": "chosen", "value": 0.85}, "value": 0.12},
            "tooltip": [
                {"field": field, "title": title, **({"format": ".6g"} if field in ("value", "truth") else {})}
                for field, title in shown
            ],
        },
    }


def _datum(point: Point, axes: Sequence[str]) -> dict[str, Any]:
    hyperparameters = {_field(index): point.hyperparameters[name] for index, name in enumerate(axes)}
    return {"value": point.value, "truth": point.truth, **hyperparameters}


def _field(axis_index: int) -> str:
    """Return the field name of an axis: Vega would read a dot in the axis's own name as a path."""
    return f"axis{axis_index}"


def _is_many_numbers(points: ZooPoints, axis: str) -> bool:
    """Check for more numbers than there are distinguishable colours."""
    settings = {point.hyperparameters[axis] for point in points.points}
    return len(settings) > COLOURS and all(type(setting) in (int, float) for setting in settings)


def _is_wide(points: ZooPoints) -> bool:
    values = [point.value for point in points.points]
    return bool(values) and min(values) > 0 and max(values) > LOG_SCALE_RATIO * min(values)
