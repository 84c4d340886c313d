"""Common parts of the charts: Vega-Lite specifications as plain dictionaries, drawn by static/charts.js.

Altair is not used, because importing it costs 26 MB and 0.2 s of the web process's budget of 200 MB and 3 s. Colours
and fonts are not here: charts.js takes them from the style sheet, which also has a dark mode.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from submissions.results.values_and_targets import ZooPoints

Spec = dict[str, Any]
FITTED = {"autosize": {"type": "fit", "contains": "padding"}}  # axes and legend lie within width and height
_LOG_SCALE_RATIO = 100.0
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


def chart(description: str, values: Sequence[Mapping[str, Any]], height: int, **rest: Any) -> Spec:
    """Return a specification as wide as its box, over these rows."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": description,
        "width": "container",
        "height": height,
        "data": {"values": values},
        **rest,
    }


def quantity(field: str, title: str, **rest: Any) -> Spec:
    """Return the encoding of a number."""
    return {"field": field, "type": "quantitative", "title": title, **rest}


def legend_choice(field: str) -> Spec:
    """Return the parameter `chosen`: the values of a field that were clicked in the legend."""
    return {"name": "chosen", "select": {"type": "point", "fields": [field]}, "bind": "legend"}


def scale_of(numbers: Sequence[float]) -> Spec:
    """Return a logarithmic scale if the numbers are positive and span more than two orders of magnitude."""
    is_wide = bool(numbers) and min(numbers) > 0 and max(numbers) > _LOG_SCALE_RATIO * min(numbers)
    return {"type": "log"} if is_wide else {"zero": False}


def axis_field(index: int) -> str:
    """Return the field name of a zoo's axis: Vega would read a dot in the axis's own name as a path."""
    return f"axis{index}"


def axis_fields(names: Sequence[str], hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hyperparameters of a network under the field names of their axes."""
    return {axis_field(index): hyperparameters[name] for index, name in enumerate(names)}


def value_against_target(points: ZooPoints, coloured_by: int = 0) -> Spec:
    """Return a scatter plot of the networks: value on x, target on y, coloured by one of the zoo's axes (an index).

    A click in the legend highlights one value of that axis. An axis with many numbers has a continuous colour scale.
    """
    colour, axis = axis_field(coloured_by), points.axes[coloured_by]
    target = target_name(points.target)
    rows = [
        {"value": point.value, "truth": point.truth, **axis_fields(points.axes, point.hyperparameters)}
        for point in points.points
    ]
    return chart(
        f"Value of the measure against {target} for {len(rows)} networks.",
        rows,
        340,
        **FITTED,
        params=[legend_choice(colour)],
        mark={"type": "point", "filled": True, "size": 64},
        encoding={
            "x": quantity(
                "value",
                "value of the measure",
                axis={"grid": False, "tickCount": 7},
                scale=scale_of([point.value for point in points.points]),
            ),
            "y": quantity(
                "truth",
                target,
                axis={"format": ".0%" if points.target in _SHARES else ".3~g", "tickCount": 6},
                scale={"zero": False},
            ),
            "color": {
                "field": colour,
                "type": "quantitative" if _is_many_numbers(points, axis) else "ordinal",
                "title": axis,
                "legend": {"orient": "top", "direction": "horizontal"},
            },
            "opacity": {"condition": {"param": "chosen", "value": 0.85}, "value": 0.12},
            "tooltip": [
                {"field": "value", "title": "value", "format": ".6g"},
                {"field": "truth", "title": target, "format": ".6g"},
                *({"field": axis_field(index), "title": name} for index, name in enumerate(points.axes)),
            ],
        },
    )


def _is_many_numbers(points: ZooPoints, axis: str) -> bool:
    """Check for more numbers than there are distinguishable colours."""
    settings = {point.hyperparameters[axis] for point in points.points}
    return len(settings) > COLOURS and all(type(setting) in (int, float) for setting in settings)
